/* The SIP servers requests go to, and whether they answer. */
#include "trunk/trunk_impl.h"

#include <stdio.h>
#include <utlist.h>

static enum sip_transport transport_of(enum rt_conf_transport t)
{
	switch (t) {
	case RT_TRANSPORT_TCP:
		return SIP_TCP;
	case RT_TRANSPORT_TLS:
		return SIP_TLS;
	case RT_TRANSPORT_NONE:
	case RT_TRANSPORT_UDP:
		break;
	}
	return SIP_UDP;
}

static void hop_free(struct trunk_hop *h)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
		trunk_places_free(&h->places[i]);
	}
	xfed_free(h->host);
	xfed_free(h->tls_name);
	xfed_free(h->label);
	xfed_free(h->key);
	trunk_probe_end(h);
	sip_digest_free(h->digest);
	xfed_free(h);
}

static struct trunk_hop *hop_new(struct trunk *t, const struct config_domain *d, const char *key, size_t label_len)
{
	struct trunk_hop *h = xfed_calloc(1, sizeof(*h));
	if (!h) {
		return NULL;
	}
	h->trunk = t;
	h->has_transport = d->hop.transport != RT_TRANSPORT_NONE;
	h->transport = transport_of(d->hop.transport);
	h->port = d->hop.port;
	h->is_ip = d->hop.is_ip;
	h->is_outside = d->federated;
	h->is_found = d->federated && !d->next_hop;
	for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
		h->places[i].hop = h;
		h->places[i].is_large = i == 1;
	}
	h->host = xfed_strdup(d->hop.host);
	h->tls_name = xfed_strdup(d->tls_name ? d->tls_name : "");
	h->label = xfed_strndup(xfed_span_make(key, label_len));
	h->key = xfed_strdup(key);
	h->state.since_s = core_wall_s(t->core);
	h->is_used = true; /* by the domain for which it is made */
	if (!h->host || !h->tls_name || !h->label || !h->key) {
		hop_free(h);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, t->hops, h->key, strlen(h->key), h);
	if (!XFED_TABLE_ADDED(h)) {
		hop_free(h);
		return NULL;
	}
	return h;
}

/* A name for logs and status: what the configuration says, whatever the DNS says. */
static size_t write_label(const struct config_domain *d, char *out, size_t size)
{
	const struct rt_conf_address *a = &d->hop;
	bool is_v6 = strchr(a->host, ':') != NULL;
	bool own_name = d->tls_name && strcmp(d->tls_name, a->host) != 0;
	char port[8] = "";
	if (a->port) {
		snprintf(port, sizeof(port), ":%u", a->port);
	}
	const char *kind = !d->federated ? rt_conf_transport_name(a->transport) : d->next_hop ? "federated" : "_sipfederationtls._tcp";
	int n = snprintf(out, size, "%s%s%s%s%s%s%s%s", kind, kind[0] ? ":" : "", is_v6 ? "[" : "", a->host, is_v6 ? "]" : "", port,
		own_name ? "/" : "", own_name ? d->tls_name : "");
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

#define KEY_BYTES 1000

static struct trunk_hop *find_hop(const struct trunk *t, const struct config_domain *d, char key[KEY_BYTES], size_t *label_len)
{
	struct trunk_hop *h = NULL;
	*label_len = write_label(d, key, 700);
	if (d->auth.password) {
		snprintf(key + *label_len, KEY_BYTES - *label_len, " for %s", d->domain);
	}
	HASH_FIND_STR(t->hops, key, h);
	return h;
}

/* A server's challenge is kept as long as the credentials stay the same. NOMEM: requests go without credentials. */
static void use_credentials(struct trunk_hop *h, const struct config_domain *d)
{
	struct xfed_span username = xfed_span_str(d->auth.username), password = xfed_span_str(d->auth.password);
	if (h->digest && (!d->auth.password || !sip_digest_is_of(h->digest, username, password))) {
		sip_digest_free(h->digest);
		h->digest = NULL;
	}
	if (d->auth.password && !h->digest) {
		sip_digest_new(&h->trunk->core->d.env, username, password, &h->digest);
	}
}

static struct trunk_hop *find_or_make(struct trunk *t, const struct config_domain *d)
{
	XFED_UNSET char key[KEY_BYTES];
	size_t label_len;
	struct trunk_hop *h = find_hop(t, d, key, &label_len);
	return h ? h : hop_new(t, d, key, label_len);
}

/* Hops are kept until the process ends; their number is bounded by what operators write into the configuration. */
struct trunk_hop *trunk_hop_of(struct trunk *t, const struct config_domain *d)
{
	struct hop_of_domain *recent = &t->recent[(uintptr_t)d / sizeof(*d) % XFED_ARRAY_LEN(t->recent)];
	if (recent->domain != d) {
		struct trunk_hop *h = find_or_make(t, d);
		if (!h) {
			return NULL;
		}
		*recent = (struct hop_of_domain){ d, h };
	}
	if (!recent->hop->digest) {
		use_credentials(recent->hop, d);
	}
	return recent->hop;
}

/* Only transports that sip.listen has: where that is TLS alone, the DNS must not lead to another one. */
static bool is_used(const struct trunk *t, enum sip_transport transport)
{
	return sip_io_port(t->io, transport) != 0 && (transport != SIP_TLS || t->files.creds);
}

/* RFC 3261 section 18.1.1: a request too large for UDP is sent over TCP, even to a next hop configured for UDP. */
bool trunk_hop_tcp_stands_in(const struct trunk_hop *h)
{
	return h->has_transport && h->transport == SIP_UDP;
}

size_t trunk_hop_transports(const struct trunk_hop *h, bool is_large, enum sip_transport out[SIP_TRANSPORT_COUNT])
{
	static const enum sip_transport order[] = { SIP_TLS, SIP_TCP, SIP_UDP };
	size_t n = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(order); i++) {
		enum sip_transport t = order[i];
		/* Where the transport is UDP because of an address or a port, TCP may be used instead ([C3-02]); TLS has another port. */
		bool is_wrong = is_large && (t == SIP_UDP || (t == SIP_TLS && !h->has_transport && (h->port || h->is_ip)));
		bool stands_in = is_large && t == SIP_TCP && trunk_hop_tcp_stands_in(h) && trunk_now(h->trunk) >= h->no_tcp.until_ms;
		if (!is_wrong && (h->has_transport ? t == h->transport || stands_in : is_used(h->trunk, t))) {
			out[n++] = t;
		}
	}
	return n;
}

struct trunk_hop_facts trunk_hop_facts(const struct trunk_hop *h)
{
	uint64_t now = trunk_now(h->trunk), until = h->no_tcp.until_ms;
	return (struct trunk_hop_facts){
		.label = h->label,
		.state = &h->state,
		.is_used = h->is_used,
		.no_tcp_s = until > now ? (unsigned)((until - now + 999) / 1000) : 0,
		.no_tcp_since_s = h->no_tcp.since_s,
	};
}

const struct trunk_hop *trunk_hop_next(const struct trunk *t, const struct trunk_hop *h)
{
	return h ? h->hh.next : t->hops;
}

size_t trunk_hop_proof_bytes(const struct trunk_hop *h, struct xfed_span uri)
{
	size_t known = h->digest ? sip_digest_bytes(h->digest, NULL, uri) : 0;
	return h->digest && known == 0 ? 512 : known;
}

bool trunk_hop_load(struct trunk_hop *h, size_t bytes)
{
	const struct config *c = h->trunk->files.config;
	struct hop_load most = { c->limits.waiting_messages, c->limits.waiting_bytes };
	return hop_load_add(&h->trunk->load, &h->load, &most, bytes);
}

void trunk_hop_unload(struct trunk_hop *h, size_t bytes)
{
	hop_load_remove(&h->trunk->load, &h->load, bytes);
}

/* ---- requests on their way ---- */

struct trunk_unsent trunk_unsent(int rc)
{
	switch (rc) {
	case XFED_ERR_LIMIT:
		return (struct trunk_unsent){ .reason = XFED_REASON_SIP_REQUEST_TOO_LARGE };
	case XFED_ERR_AGAIN:
		return (struct trunk_unsent){ XFED_REASON_DELIVERY_QUEUE_FULL, "too many transactions" };
	case XFED_ERR_INVALID:
		return (struct trunk_unsent){ .reason = XFED_REASON_SIP_ADDRESS_UNMAPPABLE };
	case XFED_ERR_NOT_FOUND:
		return (struct trunk_unsent){ .reason = XFED_REASON_SIP_DIALOG_UNKNOWN };
	default:
		return (struct trunk_unsent){ .reason = XFED_REASON_STREAM_INTERNAL };
	}
}

/* Reasons of DNS are worded for partners; their code says what happened all the same. */
struct trunk_unsent trunk_unlocated(enum xfed_reason reason)
{
	return (struct trunk_unsent){ XFED_REASON_SIP_SERVER_UNREACHABLE, xfed_reason_code(reason) };
}

void trunk_want(struct trunk_send *s)
{
	trunk_places_want(&s->hop->places[s->is_large ? 1 : 0], s);
}

static void drop_places(struct trunk_send *s)
{
	sip_failover_free(s->places);
	s->places = NULL;
}

void trunk_send_end(struct trunk_send *s)
{
	if (s->list) {
		DL_DELETE(*s->list, s);
		s->list = NULL;
	}
	drop_places(s);
	sip_digest_asked_free(s->asked);
	s->asked = NULL;
}

bool trunk_send_enlarge(struct trunk_send *s)
{
	enum sip_transport others[SIP_TRANSPORT_COUNT];
	if (s->is_large || sip_failover_place(s->places)->transport != SIP_UDP || trunk_hop_transports(s->hop, true, others) == 0) {
		return false;
	}
	s->is_large = true;
	drop_places(s);
	return true;
}

#define CHALLENGES_MAX 4 /* for one request: by a server and a proxy, each with one stale nonce */

int trunk_send_proved(struct trunk_send *s, const struct sip_layer_request *params, struct xfed_span uri, uint64_t *txn)
{
	struct sip_layer_request rq = *params;
	struct sip_digest *d = s->hop->digest;
	struct xfed_span extra = params->request.extra;
	char branch[160];
	size_t len = 0;
	rq.target.is_outside = s->hop->is_outside;
	if (!d) {
		return trunk_request(s->hop->trunk, &rq, txn);
	}
	char *lines = xfed_malloc(SIP_DIGEST_LINES_SIZE + extra.len);
	if (!lines) {
		return XFED_ERR_NOMEM;
	}
	int rc = sip_digest_print(d, s->asked, rq.request.method, uri, lines, &len);
	if (rc == XFED_OK && len > 0) {
		s->round = s->round > 0 ? s->round : 1; /* challenged earlier, for another request */
		memcpy(lines + len, extra.len > 0 ? extra.data : "", extra.len);
		rq.request.extra = xfed_span_make(lines, len + extra.len);
		rq.request.cseq += s->round;
		if (rq.branch.data) {
			int n = snprintf(branch, sizeof(branch), "%.*s.%u", (int)rq.branch.len, rq.branch.data, s->round);
			rq.branch = xfed_span_make(branch, n > 0 && (size_t)n < sizeof(branch) ? (size_t)n : 0);
		}
	}
	rc = rc == XFED_OK ? trunk_request(s->hop->trunk, &rq, txn) : rc;
	xfed_free(lines);
	return rc;
}

int trunk_send_request(struct trunk_send *s, const struct sip_layer_request *rq, uint64_t *txn)
{
	return trunk_send_proved(s, rq, rq->request.uri, txn);
}

/* The hop answers but accepts no message: as bad as one that is silent, and its state says so. */
static bool unproved(struct trunk_send *s, int status, enum xfed_reason reason, const char *text)
{
	s->unproved = reason;
	if (s->places) { /* inside a dialog the challenge may come from its other end */
		trunk_hop_refuses(s->hop, &(struct hop_refusal){ .status = status, .reason = reason, .text = text });
	}
	return false;
}

bool trunk_send_challenged(struct trunk_send *s, const struct sip_message *m)
{
	struct sip_digest *d = s->hop->digest;
	if (m->status != 401 && m->status != 407) {
		return false;
	}
	if (!d) {
		return unproved(s, m->status, XFED_REASON_SIP_AUTH_NEEDED, "it asks for a username and password, and domains[].auth has none");
	}
	if (s->challenges == CHALLENGES_MAX) {
		return unproved(s, m->status, XFED_REASON_SIP_AUTH_REFUSED, "it asks again and again");
	}
	enum sip_digest_verdict v = sip_digest_take(d, &s->asked, m);
	s->challenges++;
	s->round++;
	if (v == SIP_DIGEST_REFUSED) {
		return unproved(s, m->status, XFED_REASON_SIP_AUTH_REFUSED, "the username or password is wrong");
	}
	if (v == SIP_DIGEST_UNKNOWN) {
		return unproved(
			s, m->status, XFED_REASON_SIP_AUTH_UNSUPPORTED, "nothing it offers is digest with SHA-256 or MD5 and qop auth or none");
	}
	return v == SIP_DIGEST_OK;
}

bool trunk_send_may_have_been_taken(const struct trunk_send *s)
{
	return s->round > 0 || !s->hop->digest;
}

/*
 * Forgets the states of hops that no domain uses any more, and of hops that refuse us for our credentials, which the reload may have
 * corrected. What is known of the others is still true.
 */
static void forget_states(struct trunk *t)
{
	const struct config *c = t->files.config;
	for (struct trunk_hop *h = t->hops; h; h = h->hh.next) {
		h->is_used = false;
	}
	for (size_t i = 0; i < c->domains.count; i++) {
		char key[KEY_BYTES];
		size_t label_len;
		struct trunk_hop *h = find_hop(t, &c->domains.items[i], key, &label_len);
		if (h) {
			h->is_used = true;
			use_credentials(h, &c->domains.items[i]);
		}
	}
	for (struct trunk_hop *h = t->hops; h; h = h->hh.next) {
		if (!h->is_used || hop_state_wants_proof(&h->state)) {
			h->state = (struct hop_state){ .since_s = core_wall_s(t->core) };
		}
	}
}

void trunk_hops_forget(struct trunk *t)
{
	memset(t->recent, 0, sizeof(t->recent));
	forget_states(t);
	for (struct trunk_hop *h = t->hops; h; h = h->hh.next) {
		for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
			h->places[i].fresh_until_ms = 0;
		}
		h->failed.count = 0;
		h->no_tcp = (struct hop_no_tcp){ 0 };
		if (!h->is_used) {
			sip_digest_free(h->digest);
			h->digest = NULL;
		}
	}
}

void trunk_hops_free(struct trunk *t)
{
	struct trunk_hop *h, *next;
	HASH_ITER(hh, t->hops, h, next) {
		HASH_DELETE(hh, t->hops, h);
		hop_free(h);
	}
}
