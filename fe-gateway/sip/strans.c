/* Server transactions and answers without one: requests of peers (RFC 3261
 * sections 8.2, 17.2, 18.2). */
#include "sip/trans.h"

#include <stdio.h>

#include "sip/dispatch.h"
#include "sip/lex.h"
#include "sip/method.h"
#include "xfed/limits.h"

#define DEFAULT_PORT	 5060
#define DEFAULT_TLS_PORT 5061
#define BUSY_LINE	 "Retry-After: 5\r\n"

static void copy_text(char *out, size_t size, struct xfed_span s)
{
	size_t n = s.len < size ? s.len : size - 1;
	memcpy(out, n > 0 ? s.data : "", n);
	out[n] = '\0';
}

/*
 * Where responses to a request go ([C3-04]): never to another address than the one it came from, whatever
 * its Via says. maddr is not followed (section 18.2.2 has it for multicast, which nobody sends us): it
 * would let anybody have our answers sent to a third party, or to ourselves.
 *
 * On a stream: its connection, and should that have closed, that address at the port of sent-by. Over
 * UDP, from the socket the request came in on: the source port if rport was asked for, else the port
 * of sent-by. A stranger chooses no port either: over UDP it is answered where its datagram came
 * from, and no connection is opened to it (port 0).
 */
static struct sip_target reply_target(const struct sip_layer *l, const struct sip_message *m)
{
	const struct sip_via *via = &m->via;
	struct sip_target t = { .flow = l->flow.id, .transport = l->flow.transport };
	uint16_t standard = t.transport == SIP_TLS ? DEFAULT_TLS_PORT : DEFAULT_PORT;
	copy_text(t.ip, sizeof(t.ip), xfed_span_str(l->flow.peer_ip));
	t.port = via->port != 0 ? via->port : standard;
	if (t.transport == SIP_UDP) {
		if (!l->flow.is_known || via->has_rport || via->host.len == 0) {
			t.port = l->flow.peer_port;
		}
	} else if (!l->flow.is_known) {
		t.port = 0;
	} else if (t.transport == SIP_TLS && !sip_host_is_address(via->host)) {
		copy_text(t.tls_name, sizeof(t.tls_name), via->host);
	}
	return t;
}

static int print_head(struct sip_layer *l, const struct sip_message *m, char **head, size_t *len)
{
	char tag[SIP_TO_TAG_LEN];
	struct sip_source source = { xfed_span_str(l->flow.peer_ip), l->flow.peer_port };
	struct xfed_span to_tag = xfed_span_make(tag, sizeof(tag));
	sip_to_tag(&l->secret, m, tag);
	int rc = sip_print_response_head(m, &source, to_tag, NULL, 0, len);
	if (rc != XFED_OK) {
		return rc;
	}
	*head = xfed_malloc(*len);
	return *head ? sip_print_response_head(m, &source, to_tag, *head, *len, len) : XFED_ERR_NOMEM;
}

static int print_response(int status, const char *phrase, struct xfed_span head, struct xfed_span extra, char **out, size_t *len)
{
	int rc = sip_print_response(status, xfed_span_str(phrase), head, extra, NULL, 0, len);
	if (rc != XFED_OK) {
		return rc;
	}
	*out = xfed_malloc(*len);
	return *out ? sip_print_response(status, xfed_span_str(phrase), head, extra, *out, *len, len) : XFED_ERR_NOMEM;
}

/*
 * An answer without a transaction (section 8.2.7): the To tag is derived, so a retransmitted
 * request gets the same again. A head that cannot be printed belongs to a message nobody could
 * match, and is dropped.
 */
int sip_server_answer(struct sip_layer *l, const struct sip_message *m, int status, const char *phrase, struct xfed_span extra)
{
	char *head = NULL;
	size_t head_len, len;
	int rc = print_head(l, m, &head, &head_len);
	if (rc == XFED_OK) {
		rc = print_response(status, phrase, xfed_span_make(head, head_len), extra, &l->reply, &len);
	}
	xfed_free(head);
	if (rc == XFED_OK) {
		struct sip_layer_action act = { .kind = SIP_ACT_SEND, .target = reply_target(l, m), .bytes = xfed_span_make(l->reply, len) };
		sip_layer_push(l, &act);
	}
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

/* Fills a new transaction and enters it in the tables; NULL on NOMEM. */
static struct sip_trans *open_transaction(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, enum sip_state state)
{
	struct sip_trans *t = xfed_calloc(1, sizeof(*t));
	if (!t) {
		return NULL;
	}
	t->state = state;
	t->key = *key;
	t->target = reply_target(l, m);
	t->is_stranger = !l->flow.is_known;
	if (print_head(l, m, &t->head, &t->head_len) != XFED_OK || sip_trans_add(l, t) != XFED_OK) {
		sip_trans_free(t);
		return NULL;
	}
	if (t->target.transport != SIP_UDP) {
		sip_trans_bind(l, t, l->flow.id);
	}
	return t;
}

/* [C1-10]: true where the request came already by another way and is still being served. */
static bool is_merged(struct sip_layer *l, const struct sip_key *merged)
{
	struct sip_trans *other;
	HASH_FIND(hh_merged, l->by_merged, merged, sizeof(*merged), other);
	return other != NULL;
}

static int deliver(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, uint64_t now_ms)
{
	struct sip_key merged = sip_key_merged(&l->secret, m);
	if (!m->to.tag.data && is_merged(l, &merged)) {
		return sip_server_answer(l, m, 482, NULL, XFED_SPAN(""));
	}
	if (sip_layer_is_full_of_servers(l)) {
		return sip_server_answer(l, m, 503, NULL, XFED_SPAN(BUSY_LINE));
	}
	struct sip_trans *t = open_transaction(l, m, key, SIP_STATE_S_TRYING);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	if (!m->to.tag.data) {
		t->merged = merged;
		HASH_ADD(hh_merged, l->by_merged, merged, sizeof(t->merged), t);
		t->is_merge_owner = t->hh_merged.tbl != NULL;
	}
	sip_trans_enter(l, t, SIP_STATE_S_TRYING, now_ms);
	struct sip_layer_action act = { .kind = SIP_ACT_REQUEST, .txn = t->id, .message = m, .flow = &l->flow };
	sip_layer_push(l, &act);
	return XFED_OK;
}

/*
 * A final response: kept for retransmissions, sent, and the state that follows. A stranger's is sent and forgotten: should it
 * come again it is refused again, with the same To tag.
 */
static int respond(
	struct sip_layer *l, struct sip_trans *t, enum sip_state next, int status, const char *phrase, struct xfed_span extra, uint64_t now_ms)
{
	char *response = NULL;
	size_t len;
	int rc = print_response(status, phrase, xfed_span_make(t->head, t->head_len), extra, &response, &len);
	if (rc != XFED_OK) {
		xfed_free(response);
		return rc;
	}
	xfed_free(t->last);
	t->last = response;
	t->last_len = len;
	t->sends = 0;
	sip_trans_send(l, t);
	if (t->is_stranger) {
		sip_trans_end(l, t);
	} else {
		sip_trans_enter(l, t, next, now_ms);
	}
	return XFED_OK;
}

/* An INVITE is answered by a transaction, because its response must be repeated until the ACK comes
 * (section 17.2.1); a stranger's is not, or whoever writes a false address would have us repeat it there. */
static int refuse_invite(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, const struct sip_verdict *v, uint64_t now_ms)
{
	if (!l->flow.is_known) {
		return sip_server_answer(l, m, v->status, NULL, xfed_span_str(v->extra));
	}
	if (sip_layer_is_full_of_servers(l)) {
		return sip_server_answer(l, m, 503, NULL, XFED_SPAN(BUSY_LINE));
	}
	struct sip_trans *t = open_transaction(l, m, key, SIP_STATE_S_REFUSED);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	int rc = respond(l, t, SIP_STATE_S_REFUSED, v->status, NULL, xfed_span_str(v->extra), now_ms);
	if (rc != XFED_OK) {
		sip_trans_end(l, t);
	}
	return rc;
}

/* 420 names what was required: everything, as there is no extension yet. */
static int refuse_extensions(struct sip_layer *l, const struct sip_message *m)
{
	static const char name[] = "Unsupported: ";
	const struct sip_header *h = NULL;
	size_t size = 1, at = 0;
	while ((h = sip_message_header(m, SIP_HEADER_REQUIRE, h))) {
		size += strlen(name) + h->value.len + 2;
	}
	char *lines = xfed_malloc(size);
	if (!lines) {
		return XFED_ERR_NOMEM;
	}
	while ((h = sip_message_header(m, SIP_HEADER_REQUIRE, h))) {
		if (sip_is_printable(h->value) && sip_is_utf8(h->value)) {
			at += (size_t)snprintf(lines + at, size - at, "%s%.*s\r\n", name, (int)h->value.len, h->value.data);
		}
	}
	int rc = sip_server_answer(l, m, 420, NULL, xfed_span_make(lines, at));
	xfed_free(lines);
	return rc;
}

static int answer_cancel(struct sip_layer *l, const struct sip_message *m)
{
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, XFED_SPAN("INVITE"));
	/* The INVITE has had its final response already, so the CANCEL changes nothing
	 * (section 9.2). */
	return sip_server_answer(l, m, sip_trans_by_key(l, &key) ? 200 : 481, NULL, XFED_SPAN(""));
}

static int absorb_ack(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, XFED_SPAN("INVITE"));
	struct sip_trans *t = sip_trans_by_key(l, &key);
	if (t && t->state == SIP_STATE_S_REFUSED) {
		sip_trans_enter(l, t, SIP_STATE_S_CONFIRMED, now_ms);
	}
	return XFED_OK;
}

/* A copy of a request we have: its last response again, if there is one ([C2-02]). */
static void repeat(struct sip_layer *l, struct sip_trans *t)
{
	/* It may have come over a new connection; the one before it is then most likely dead. */
	if (t->target.transport != SIP_UDP) {
		sip_trans_bind(l, t, l->flow.id);
	}
	l->stats.retransmissions_absorbed++;
	if (t->last && t->state != SIP_STATE_S_CONFIRMED) {
		sip_trans_send(l, t);
	}
}

int sip_server_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_verdict v = sip_dispatch(m);
	if (v.disposition == SIP_DISPOSE_ABSORB) {
		return absorb_ack(l, m, now_ms);
	}
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, m->method);
	struct sip_trans *t = sip_trans_by_key(l, &key);
	if (t && !t->is_stranger && !l->flow.is_known) {
		/* Somebody else's request, whose answer would go to whoever repeats it: served already, by another way. */
		return sip_server_answer(l, m, 482, NULL, XFED_SPAN(""));
	}
	if (t) {
		repeat(l, t);
		return XFED_OK;
	}
	switch (v.disposition) {
	case SIP_DISPOSE_USER:
		return deliver(l, m, &key, now_ms);
	case SIP_DISPOSE_CANCEL:
		return answer_cancel(l, m);
	case SIP_DISPOSE_ANSWER:
		if (xfed_span_is(m->method, "INVITE")) {
			return refuse_invite(l, m, &key, &v, now_ms);
		}
		return v.needs_unsupported ? refuse_extensions(l, m) : sip_server_answer(l, m, v.status, NULL, xfed_span_str(v.extra));
	case SIP_DISPOSE_ABSORB:
		break;
	}
	return XFED_OK;
}

int sip_server_say_trying(struct sip_layer *l, struct sip_trans *t)
{
	char *response = NULL;
	size_t len;
	int rc = print_response(100, NULL, xfed_span_make(t->head, t->head_len), XFED_SPAN(""), &response, &len);
	if (rc == XFED_OK) {
		t->last = response;
		t->last_len = len;
		sip_trans_send(l, t);
	} else {
		xfed_free(response);
	}
	return rc;
}

int sip_layer_respond(struct sip_layer *l, uint64_t txn, int status, const char *phrase, struct xfed_span extra, uint64_t now_ms)
{
	sip_layer_begin(l);
	struct sip_trans *t = sip_trans_by_id(l, txn);
	if (!t || sip_trans_is_client(t) || !sip_trans_is_open(t)) {
		return XFED_ERR_NOT_FOUND;
	}
	/* RFC 4320 section 4.2: a 408 would always come too late to be of use. */
	if (status < 200 || status == 408) {
		return XFED_ERR_INVALID;
	}
	return respond(l, t, SIP_STATE_S_COMPLETED, status, phrase, extra, now_ms);
}
