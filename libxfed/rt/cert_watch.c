#include "xfed/rt/certs.h"

#include "util/table.h"
#include "xfed/rt/control.h"
#include "xfed/rt/log.h"

#define DAY_S	   86400
#define NAME_BYTES 256 /* of a name; a longer one is cut, as in the metric */
#define HASH_HEX   64

/* Days before the end; the last one is the end itself. */
static const int steps[] = { 30, 14, 7, 3, 1, 0 };
#define STEPS XFED_ARRAY_LEN(steps)

struct seen {
	char key[NAME_BYTES + 2]; /* the owner's number, then the name */
	char sha256_hex[HASH_HEX + 1];
	int64_t not_after_s;
	size_t told; /* so many of `steps` have been reached */
	UT_hash_handle hh;
};

struct rt_certs {
	struct seen *table;
	int64_t due_s; /* nothing is to be told before; 0: not known */
};

const char *rt_cert_owner_word(enum rt_cert_owner owner)
{
	static const char *const words[] = {
#define WORD(id, word) [RT_CERT_##id] = (word),
		RT_CERT_OWNERS(WORD)
#undef WORD
	};
	return words[owner];
}

bool rt_cert_is_replaced(char shown[RT_CERT_HASH], const struct xfed_tls_creds *creds)
{
	const struct xfed_cert *cert = creds ? xfed_tls_creds_cert(creds, 0) : NULL;
	const char *hash = cert ? xfed_cert_facts(cert)->sha256_hex : "";
	bool is_other = shown[0] != '\0' && strcmp(shown, hash) != 0;
	snprintf(shown, RT_CERT_HASH, "%s", hash);
	return is_other;
}

int rt_certs_new(struct rt_certs **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

void rt_certs_free(struct rt_certs *w)
{
	struct seen *s, *next;
	if (!w) {
		return;
	}
	HASH_ITER(hh, w->table, s, next) {
		HASH_DEL(w->table, s);
		xfed_free(s);
	}
	xfed_free(w);
}

/* ---- telling ---- */

static enum rt_cert_owner owner_of(const struct seen *s)
{
	return (enum rt_cert_owner)(s->key[0] - '0');
}

static size_t reached(const struct seen *s, int64_t now_s)
{
	size_t n = 0;
	while (n < STEPS && s->not_after_s - now_s <= (int64_t)steps[n] * DAY_S) {
		n++;
	}
	return n;
}

/* A partner's is its own business; what is ours has to be renewed by somebody here. */
static enum rt_log_level level_of(const struct seen *s)
{
	int days = steps[s->told - 1];
	if (days > 14) {
		return RT_LOG_INFO;
	}
	return owner_of(s) == RT_CERT_PARTNER || days > 3 ? RT_LOG_WARNING : RT_LOG_ERROR;
}

static void tell(const struct seen *s, int64_t now_s)
{
	char when[24], days[24];
	bool is_ours = owner_of(s) != RT_CERT_PARTNER, is_near = steps[s->told - 1] <= 14;
	snprintf(days, sizeof(days), "%lld", (long long)(s->not_after_s - now_s) / DAY_S);
	rt_log(level_of(s), s->not_after_s < now_s ? "certificate.ended" : "certificate.ends", RT_KV_STR("name", s->key + 1),
		RT_KV_STR("owner", rt_cert_owner_word(owner_of(s))), RT_KV_STR("not_after", rt_control_time(s->not_after_s, when)),
		RT_KV_STR("days", days), RT_KV_REASON(is_ours && is_near ? XFED_REASON_TLS_OWN_EXPIRED : XFED_REASON_NONE), RT_END);
}

static void look_at(struct seen *s, int64_t now_s)
{
	size_t n = reached(s, now_s);
	if (n > s->told) {
		s->told = n;
		tell(s, now_s);
	}
}

static int64_t next_s(const struct seen *s)
{
	/* Steps are reached on the second; the end is told of behind it. */
	return s->told < STEPS ? s->not_after_s - (int64_t)steps[s->told] * DAY_S : INT64_MAX;
}

void rt_certs_tick(struct rt_certs *w, int64_t now_s)
{
	struct seen *s, *next;
	if (now_s < w->due_s) {
		return;
	}
	w->due_s = INT64_MAX;
	HASH_ITER(hh, w->table, s, next) {
		look_at(s, now_s);
		w->due_s = next_s(s) < w->due_s ? next_s(s) : w->due_s;
	}
}

/* ---- seeing ---- */

static size_t make_key(char key[NAME_BYTES + 2], enum rt_cert_owner owner, struct xfed_span name)
{
	size_t len = name.len < NAME_BYTES ? name.len : NAME_BYTES;
	key[0] = (char)('0' + (int)owner);
	memcpy(key + 1, name.data, len);
	key[len + 1] = '\0';
	return len + 1;
}

void rt_certs_seen(struct rt_certs *w, enum rt_cert_owner owner, struct xfed_span name, const struct xfed_cert *cert, int64_t now_s)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	char key[NAME_BYTES + 2];
	struct seen *s;
	size_t len = make_key(key, owner, name);
	HASH_FIND(hh, w->table, key, len, s);
	if (s && strcmp(s->sha256_hex, f->sha256_hex) == 0) {
		return;
	}
	if (!s) {
		s = xfed_calloc(1, sizeof(*s));
		if (!s) {
			return;
		}
		memcpy(s->key, key, len + 1);
		HASH_ADD(hh, w->table, key, len, s);
		if (!XFED_TABLE_ADDED(s)) {
			xfed_free(s);
			return;
		}
	}
	snprintf(s->sha256_hex, sizeof(s->sha256_hex), "%s", f->sha256_hex);
	s->not_after_s = f->not_after_s;
	s->told = 0;
	look_at(s, now_s);
	w->due_s = next_s(s) < w->due_s ? next_s(s) : w->due_s;
}

void rt_certs_forget(struct rt_certs *w, enum rt_cert_owner owner, struct xfed_span name)
{
	char key[NAME_BYTES + 2];
	struct seen *s;
	size_t len = make_key(key, owner, name);
	HASH_FIND(hh, w->table, key, len, s);
	if (s) {
		HASH_DEL(w->table, s);
		xfed_free(s);
	}
}

void rt_certs_keep(struct rt_certs *w, enum rt_cert_owner owner, bool (*stays)(void *user, const char *name), void *user)
{
	struct seen *s, *next;
	HASH_ITER(hh, w->table, s, next) {
		if (owner_of(s) == owner && !stays(user, s->key + 1)) {
			HASH_DEL(w->table, s);
			xfed_free(s);
		}
	}
}

void rt_certs_each(const struct rt_certs *w, void (*fn)(void *user, const struct rt_cert_end *end), void *user)
{
	struct seen *s, *next;
	HASH_ITER(hh, w->table, s, next) {
		const struct rt_cert_end end = { owner_of(s), s->key + 1, s->not_after_s };
		fn(user, &end);
	}
}
