#include "sip/key.h"

#include "xfed/hash.h"

enum domain { CLIENT = 1, SERVER, SERVER_2543, MERGED, TO_TAG };

struct digest {
	uint8_t key[32];
	struct sip_key sum;
};

/* Each piece is hashed under the secret mixed with the sum so far, so that pieces cannot be shifted
 * against each other. */
static void add_bytes(struct digest *d, const void *data, size_t len)
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
	d->sum.a = xfed_siphash(key, data, len);
	d->sum.b = xfed_siphash(key + 16, data, len);
}

static void add_number(struct digest *d, uint64_t n)
{
	add_bytes(d, &n, sizeof(n));
}

static struct digest start(const struct sip_secret *s, enum domain domain)
{
	struct digest d = { .sum = { 0, 0 } };
	memcpy(d.key, s->bytes, sizeof(d.key));
	add_number(&d, domain);
	return d;
}

static void add(struct digest *d, struct xfed_span s)
{
	add_number(d, s.len);
	add_bytes(d, s.len > 0 ? s.data : "", s.len);
}

/* Tokens compare without case ([C2-01]). */
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

struct sip_key sip_key_client(
	const struct sip_secret *s, struct xfed_span branch, struct xfed_span method)
{
	struct digest d = start(s, CLIENT);
	add(&d, branch);
	add(&d, method);
	return d.sum;
}

struct sip_key sip_key_server(const struct sip_secret *s, const struct sip_message *m,
	int transport, struct xfed_span method)
{
	struct digest d = start(s, m->via.has_cookie ? SERVER : SERVER_2543);
	add_number(&d, (uint64_t)transport);
	if (m->via.has_cookie) {
		add_nocase(&d, m->via.branch);
		add_nocase(&d, m->via.host);
		add_number(&d, m->via.port);
	} else {
		/* The To tag is left out: the ACK of a refused INVITE carries ours, the INVITE none
		 * (section 17.2.3). */
		add(&d, m->request_uri);
		add(&d, m->from.tag);
		add(&d, m->call_id);
		add_number(&d, m->cseq);
		add(&d, m->via.value);
	}
	add(&d, method);
	return d.sum;
}

struct sip_key sip_key_merged(const struct sip_secret *s, const struct sip_message *m)
{
	struct digest d = start(s, MERGED);
	add(&d, m->from.tag);
	add(&d, m->call_id);
	add_number(&d, m->cseq);
	add(&d, m->cseq_method);
	return d.sum;
}

void sip_to_tag(const struct sip_secret *s, const struct sip_message *m, char out[SIP_TO_TAG_LEN])
{
	static const char hex[] = "0123456789abcdef";
	struct digest d = start(s, TO_TAG);
	add(&d, m->via.value);
	add(&d, m->from.tag);
	add(&d, m->call_id);
	add_number(&d, m->cseq);
	for (size_t i = 0; i < SIP_TO_TAG_LEN; i++) {
		out[i] = hex[d.sum.a >> (4 * i) & 15];
	}
}
