#include "sip/key.h"

#include "sip/dialog.h"
#include "util/hex.h"
#include "xfed/hash.h"

enum domain { CLIENT = 1, SERVER, SERVER_2543, MERGED, TO_TAG, DIALOG };

/* Pieces are collected and hashed together: most keys take one round. */
struct digest {
	uint8_t key[32];
	struct sip_key sum;
	size_t len;
	char bytes[256];
};

/* Hashes what was collected, keyed with the secret mixed with the sum so far. */
static void absorb(struct digest *d)
{
	uint8_t key[32];
	memcpy(key, d->key, sizeof(key));
	for (size_t i = 0; i < 8; i++) {
		uint8_t a = (uint8_t)(d->sum.a >> (8 * i)), b = (uint8_t)(d->sum.b >> (8 * i));
		key[i] ^= a;
		key[8 + i] ^= b;
		key[16 + i] ^= b;
		key[24 + i] ^= a;
	}
	d->sum.a = xfed_siphash(key, d->bytes, d->len);
	d->sum.b = xfed_siphash(key + 16, d->bytes, d->len);
	d->len = 0;
}

static void add_bytes(struct digest *d, const char *data, size_t len)
{
	while (len > 0) {
		size_t n = sizeof(d->bytes) - d->len;
		n = n < len ? n : len;
		memcpy(d->bytes + d->len, data, n);
		d->len += n;
		data += n;
		len -= n;
		if (d->len == sizeof(d->bytes)) {
			absorb(d);
		}
	}
}

static struct sip_key finish(struct digest *d)
{
	absorb(d);
	return d->sum;
}

static void add_number(struct digest *d, uint64_t n)
{
	char bytes[sizeof(n)];
	memcpy(bytes, &n, sizeof(n));
	add_bytes(d, bytes, sizeof(bytes));
}

static void start(struct digest *d, const struct sip_secret *s, enum domain domain)
{
	d->sum = (struct sip_key){ 0, 0 };
	d->len = 0;
	memcpy(d->key, s->bytes, sizeof(d->key));
	add_number(d, domain);
}

/* Adds the length first, so that the border between two pieces matters. */
static void add(struct digest *d, struct xfed_span s)
{
	add_number(d, s.len);
	add_bytes(d, s.data, s.len);
}

/* For tokens, which are compared without case ([C2-01]). */
static void add_nocase(struct digest *d, struct xfed_span s)
{
	char lower[128];
	add_number(d, s.len);
	for (size_t i = 0; i < s.len;) {
		size_t n = 0;
		for (; n < sizeof(lower) && i < s.len; n++, i++) {
			char c = s.data[i];
			lower[n] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
		}
		add_bytes(d, lower, n);
	}
}

struct sip_key sip_key_client(const struct sip_secret *s, struct xfed_span branch, struct xfed_span method)
{
	struct digest d;
	start(&d, s, CLIENT);
	add(&d, branch);
	add(&d, method);
	return finish(&d);
}

struct sip_key sip_key_server(const struct sip_secret *s, const struct sip_message *m, int transport, struct xfed_span method)
{
	struct digest d;
	start(&d, s, m->via.has_cookie ? SERVER : SERVER_2543);
	add_number(&d, (uint64_t)transport);
	if (m->via.has_cookie) {
		add_nocase(&d, m->via.branch);
		add_nocase(&d, m->via.host);
		add_number(&d, m->via.port);
	} else {
		/* Without the To tag: the ACK for a refused INVITE has ours, the INVITE has none (section 17.2.3). */
		add(&d, m->request_uri);
		add(&d, m->from.tag);
		add(&d, m->call_id);
		add_number(&d, m->cseq);
		add(&d, m->via.value);
	}
	add(&d, method);
	return finish(&d);
}

struct sip_key sip_key_merged(const struct sip_secret *s, const struct sip_message *m)
{
	struct digest d;
	start(&d, s, MERGED);
	add(&d, m->from.uri);
	add(&d, m->from.tag);
	add(&d, m->call_id);
	add_number(&d, m->cseq);
	add(&d, m->cseq_method);
	return finish(&d);
}

/* RFC 3261 section 12: tags are compared with case. */
struct sip_key sip_key_dialog(const struct sip_secret *s, struct xfed_span call_id, struct xfed_span local_tag, struct xfed_span remote_tag)
{
	struct digest d;
	start(&d, s, DIALOG);
	add(&d, call_id);
	add(&d, local_tag);
	add(&d, remote_tag);
	return finish(&d);
}

void sip_to_tag(const struct sip_secret *s, const struct sip_message *m, char out[SIP_TO_TAG_LEN])
{
	struct digest d;
	start(&d, s, TO_TAG);
	add(&d, m->via.value);
	add(&d, m->from.tag);
	add(&d, m->call_id);
	add_number(&d, m->cseq);
	xfed_hex64(out, finish(&d).a);
}
