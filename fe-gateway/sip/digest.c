#include "sip/digest.h"

#include <stdarg.h>
#include <stdio.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "sip/lex.h"
#include "util/hex.h"
#include "xfed/mem.h"

#define DIGEST_MAX 32
#define HEX_MAX	   (2 * DIGEST_MAX + 1)
#define FIELD_MAX  256 /* of realm, nonce and opaque */
#define CNONCE_LEN 16
#define COUNT_STEP (1U << 16) /* above the number of requests that a previous run of this process can have sent with one nonce */

struct algorithm {
	const char *name;
	gnutls_digest_algorithm_t id;
	size_t len;
};
/* Strongest first. */
static const struct algorithm algorithms[] = { { "SHA-256", GNUTLS_DIG_SHA256, 32 }, { "MD5", GNUTLS_DIG_MD5, 16 } };

struct challenge {
	bool is_set, has_qop;
	size_t algorithm;
	char realm[FIELD_MAX], nonce[FIELD_MAX], opaque[FIELD_MAX];
	uint32_t count; /* the last number given out; in a request's copy: its own */
	uint32_t uses;	/* how many were given out; in a request's copy: when its own was */
	bool is_answered;
};

/* A user agent server asks with 401, a proxy with 407; one request may be asked by both. */
enum asker { SERVER, PROXY, ASKERS };
static const struct {
	const char *challenge, *answer;
} names[ASKERS] = { { "WWW-Authenticate", "Authorization" }, { "Proxy-Authenticate", "Proxy-Authorization" } };

struct sip_digest_asked {
	struct challenge by[ASKERS];
};

struct sip_digest {
	const struct xfed_env *env;
	char *username, *password;
	struct sip_digest_asked last; /* the last challenges, of any request */
	bool is_doubted;	      /* one refusal has been attributed to a previous run of this process */
};

int sip_digest_new(const struct xfed_env *env, struct xfed_span username, struct xfed_span password, struct sip_digest **out)
{
	struct sip_digest *d = xfed_calloc(1, sizeof(*d));
	*out = NULL;
	if (!d) {
		return XFED_ERR_NOMEM;
	}
	d->env = env;
	d->username = xfed_strndup(username);
	d->password = xfed_strndup(password);
	if (!d->username || !d->password) {
		sip_digest_free(d);
		return XFED_ERR_NOMEM;
	}
	*out = d;
	return XFED_OK;
}

bool sip_digest_is_of(const struct sip_digest *d, struct xfed_span username, struct xfed_span password)
{
	return xfed_span_is(username, d->username) && xfed_span_eq_secret(xfed_span_str(d->password), password);
}

void sip_digest_free(struct sip_digest *d)
{
	if (!d) {
		return;
	}
	if (d->password) {
		xfed_wipe(d->password, strlen(d->password));
	}
	xfed_free(d->password);
	xfed_free(d->username);
	xfed_free(d);
}

void sip_digest_asked_free(struct sip_digest_asked *a)
{
	xfed_free(a);
}

/* ---- challenges ---- */

/* Copies the text between the quotes with its quoted pairs as they are, because it is hashed and returned in that form. */
static bool copy_quoted(struct xfed_span value, char out[FIELD_MAX])
{
	if (value.len < 2 || value.data[0] != '"' || value.data[value.len - 1] != '"' || value.len - 2 >= FIELD_MAX || !sip_is_printable(value) ||
		!sip_is_utf8(value)) {
		return false;
	}
	memcpy(out, value.data + 1, value.len - 2);
	out[value.len - 2] = '\0';
	return true;
}

static struct xfed_span unquoted(struct xfed_span v)
{
	return v.len >= 2 && v.data[0] == '"' && v.data[v.len - 1] == '"' ? xfed_span_make(v.data + 1, v.len - 2) : v;
}

static bool offers_auth(struct xfed_span list)
{
	struct xfed_span element;
	bool bad = false;
	while (sip_list_next(&list, &element, &bad)) {
		if (xfed_span_eq_nocase(element, XFED_SPAN("auth"))) {
			return true;
		}
	}
	return false;
}

static bool find_algorithm(struct xfed_span name, size_t *out)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(algorithms); i++) {
		if (xfed_span_eq_nocase(name, xfed_span_str(algorithms[i].name))) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool take_param(struct challenge *c, struct xfed_span name, struct xfed_span value, bool *is_stale, bool *knows_qop)
{
	if (xfed_span_eq_nocase(name, XFED_SPAN("realm"))) {
		return copy_quoted(value, c->realm);
	}
	if (xfed_span_eq_nocase(name, XFED_SPAN("nonce"))) {
		c->is_set = true;
		return copy_quoted(value, c->nonce);
	}
	if (xfed_span_eq_nocase(name, XFED_SPAN("opaque"))) {
		return copy_quoted(value, c->opaque);
	}
	if (xfed_span_eq_nocase(name, XFED_SPAN("algorithm"))) {
		return find_algorithm(unquoted(value), &c->algorithm);
	}
	if (xfed_span_eq_nocase(name, XFED_SPAN("stale"))) {
		*is_stale = xfed_span_eq_nocase(unquoted(value), XFED_SPAN("true"));
	} else if (xfed_span_eq_nocase(name, XFED_SPAN("qop"))) {
		c->has_qop = true;
		*knows_qop = offers_auth(unquoted(value));
	}
	return true;
}

/* "Digest realm="...", nonce="...", ..."; false: another scheme, or something we do not support. */
static bool parse_challenge(struct xfed_span value, struct challenge *c, bool *is_stale)
{
	static const struct xfed_span scheme = { "Digest", 6 };
	struct xfed_span element;
	bool bad = false, knows_qop = true;
	*c = (struct challenge){ .algorithm = XFED_ARRAY_LEN(algorithms) - 1 }; /* without an algorithm it is MD5 */
	*is_stale = false;
	if (value.len <= scheme.len || !xfed_span_eq_nocase(xfed_span_make(value.data, scheme.len), scheme) ||
		(value.data[scheme.len] != ' ' && value.data[scheme.len] != '\t')) {
		return false;
	}
	struct xfed_span rest = xfed_span_make(value.data + scheme.len, value.len - scheme.len);
	while (!bad && sip_list_next(&rest, &element, &bad)) {
		const char *eq = memchr(element.data, '=', element.len);
		size_t n = eq ? (size_t)(eq - element.data) : 0;
		bad |= !eq || !take_param(c, sip_trim(xfed_span_make(element.data, n)), sip_trim(xfed_span_make(eq + 1, element.len - n - 1)),
				      is_stale, &knows_qop);
	}
	return !bad && c->is_set && knows_qop;
}

/* False: there is none that we support. */
static bool find_strongest(const struct sip_message *response, enum asker who, struct challenge *best, bool *is_stale)
{
	const struct sip_header *h = NULL;
	struct challenge c;
	bool stale;
	best->is_set = false;
	while ((h = sip_message_header_named(response, names[who].challenge, h))) {
		if (parse_challenge(h->value, &c, &stale) && (!best->is_set || c.algorithm < best->algorithm)) {
			*best = c;
			*is_stale = stale;
		}
	}
	return best->is_set;
}

static bool is_same_nonce(const struct challenge *a, const struct challenge *b)
{
	return a->is_set && b->is_set && strcmp(a->nonce, b->nonce) == 0;
}

/* Gives the request its nonce count now: another nonce may have come by the time it is printed. */
static void give_number(struct challenge *last, struct challenge *own, const struct challenge *now, uint32_t step)
{
	bool is_last = is_same_nonce(last, now), is_own = is_same_nonce(own, now);
	uint32_t count = is_last ? last->count + step : 1, uses = is_last ? last->uses + 1 : 1, own_uses = is_own ? own->uses + 1 : 1;
	*last = *own = *now;
	last->count = own->count = count;
	last->uses = uses;
	own->uses = own_uses;
}

enum sip_digest_verdict sip_digest_take(struct sip_digest *d, struct sip_digest_asked **asked, const struct sip_message *response)
{
	enum asker who = response->status == 407 ? PROXY : SERVER;
	struct challenge *last = &d->last.by[who], c;
	bool is_stale = false;
	if (!find_strongest(response, who, &c, &is_stale)) {
		return SIP_DIGEST_UNKNOWN;
	}
	if (!*asked) {
		*asked = xfed_calloc(1, sizeof(**asked));
	}
	if (!*asked) {
		return SIP_DIGEST_NO_MEMORY;
	}
	struct challenge *own = &(*asked)->by[who];
	/*
	 * Where other requests have used the nonce too, in this run or a previous one, they may have used it up, and the credentials are not to
	 * blame.
	 */
	bool is_alone = is_same_nonce(last, own) && last->uses == own->uses;
	bool is_refused = own->is_set && own->is_answered && is_alone && !is_stale && strcmp(own->realm, c.realm) == 0;
	/* A previous run may have used the nonce, with counts we do not know, so the first refusal is not taken as final. */
	bool is_doubt = is_refused && !d->is_doubted;
	if (is_refused && !is_doubt) {
		last->is_set = own->is_set = false;
		return SIP_DIGEST_REFUSED;
	}
	d->is_doubted |= is_doubt;
	give_number(last, own, &c, is_doubt ? COUNT_STEP : 1);
	return SIP_DIGEST_OK;
}

/* ---- the answer ---- */

/* The digest, in hexadecimal, of pieces joined with colons. */
static int hash_hex(const struct algorithm *a, char out[HEX_MAX], size_t count, ...)
{
	gnutls_hash_hd_t hash;
	unsigned char sum[DIGEST_MAX];
	va_list ap;
	if (gnutls_hash_init(&hash, a->id) < 0) {
		return XFED_ERR_NOMEM;
	}
	bool failed = false;
	va_start(ap, count);
	for (size_t i = 0; i < count; i++) {
		struct xfed_span s = va_arg(ap, struct xfed_span);
		failed |= (i > 0 && gnutls_hash(hash, ":", 1) < 0) || (s.len > 0 && gnutls_hash(hash, s.data, s.len) < 0);
	}
	va_end(ap);
	gnutls_hash_deinit(hash, sum);
	xfed_hex(out, sum, a->len);
	xfed_wipe(sum, sizeof(sum));
	return failed ? XFED_ERR_NOMEM : XFED_OK;
}

static int compute(const struct sip_digest *d, const struct challenge *c, struct xfed_span method, struct xfed_span uri, const char *count,
	const char *cnonce, char out[HEX_MAX])
{
	const struct algorithm *a = &algorithms[c->algorithm];
	char a1[HEX_MAX], a2[HEX_MAX];
	struct xfed_span nonce = xfed_span_str(c->nonce);
	int rc = hash_hex(a, a1, 3, xfed_span_str(d->username), xfed_span_str(c->realm), xfed_span_str(d->password));
	if (rc == XFED_OK) {
		rc = hash_hex(a, a2, 2, method, uri);
	}
	if (rc == XFED_OK && c->has_qop) {
		rc = hash_hex(a, out, 6, xfed_span_str(a1), nonce, xfed_span_str(count), xfed_span_str(cnonce), XFED_SPAN("auth"), xfed_span_str(a2));
	} else if (rc == XFED_OK) {
		rc = hash_hex(a, out, 3, xfed_span_str(a1), nonce, xfed_span_str(a2));
	}
	xfed_wipe(a1, sizeof(a1));
	return rc;
}

/* The challenge by `who` that a request answers, with its nonce count. NULL: there is none. */
static const struct challenge *next_answer(struct sip_digest *d, struct sip_digest_asked *asked, enum asker who)
{
	struct challenge *last = &d->last.by[who], *own = asked ? &asked->by[who] : NULL;
	if (!own || !own->is_set) {
		last->count += last->is_set;
		last->uses += last->is_set;
		return last->is_set ? last : NULL;
	}
	if (own->is_answered) { /* the same request again, to another place */
		bool is_last = is_same_nonce(last, own);
		own->count = is_last ? ++last->count : own->count + 1;
		own->uses++;
		last->uses += is_last;
	}
	own->is_answered = true;
	return own;
}

/* Returns the length, even where it does not fit. */
static size_t write_line(const struct sip_digest *d, const struct challenge *c, enum asker who, struct xfed_span uri, const char *response,
	const char *cnonce, char *out, size_t size)
{
	char more[128] = "", opaque[FIELD_MAX + 16] = "";
	if (c->has_qop) {
		snprintf(more, sizeof(more), ", qop=auth, nc=%08x, cnonce=\"%s\"", c->count, cnonce);
	}
	if (c->opaque[0]) {
		snprintf(opaque, sizeof(opaque), ", opaque=\"%s\"", c->opaque);
	}
	int n = snprintf(out, size, "%s: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%.*s\", response=\"%s\", algorithm=%s%s%s\r\n",
		names[who].answer, d->username, c->realm, c->nonce, (int)uri.len, uri.data, response, algorithms[c->algorithm].name, more, opaque);
	return n > 0 ? (size_t)n : 0;
}

static int print_one(const struct sip_digest *d, const struct challenge *c, enum asker who, struct xfed_span method, struct xfed_span uri, char *out,
	size_t size, size_t *len)
{
	uint8_t random[CNONCE_LEN];
	char cnonce[2 * CNONCE_LEN + 1], count[9], response[HEX_MAX];
	d->env->random(d->env->user, random, sizeof(random));
	xfed_hex(cnonce, random, sizeof(random));
	snprintf(count, sizeof(count), "%08x", c->count);
	int rc = compute(d, c, method, uri, count, cnonce, response);
	if (rc != XFED_OK) {
		return rc;
	}
	size_t n = write_line(d, c, who, uri, response, cnonce, out, size);
	*len += n;
	return n > 0 && n < size ? XFED_OK : XFED_ERR_INVALID;
}

static bool is_quotable(struct xfed_span s)
{
	return s.len > 0 && sip_is_printable(s) && !memchr(s.data, '"', s.len) && !memchr(s.data, '\\', s.len);
}

int sip_digest_print(struct sip_digest *d, struct sip_digest_asked *asked, struct xfed_span method, struct xfed_span uri,
	char out[SIP_DIGEST_LINES_SIZE], size_t *len)
{
	int rc = is_quotable(uri) && is_quotable(xfed_span_str(d->username)) && sip_is_token(method) ? XFED_OK : XFED_ERR_INVALID;
	*len = 0;
	out[0] = '\0';
	for (enum asker who = SERVER; rc == XFED_OK && who < ASKERS; who++) {
		const struct challenge *c = next_answer(d, asked, who);
		rc = c ? print_one(d, c, who, method, uri, out + *len, SIP_DIGEST_LINES_SIZE - *len, len) : XFED_OK;
	}
	return rc;
}

size_t sip_digest_bytes(const struct sip_digest *d, const struct sip_digest_asked *asked, struct xfed_span uri)
{
	char response[HEX_MAX], cnonce[2 * CNONCE_LEN + 1];
	size_t len = 0;
	snprintf(cnonce, sizeof(cnonce), "%0*d", 2 * CNONCE_LEN, 0);
	for (enum asker who = SERVER; who < ASKERS; who++) {
		const struct challenge *c = asked && asked->by[who].is_set ? &asked->by[who] : &d->last.by[who];
		if (c->is_set) {
			snprintf(response, sizeof(response), "%0*d", (int)(2 * algorithms[c->algorithm].len), 0);
			len += write_line(d, c, who, uri, response, cnonce, NULL, 0);
		}
	}
	return len;
}
