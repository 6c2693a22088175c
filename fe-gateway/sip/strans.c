/* Server transactions, and responses without one: requests of peers (RFC 3261 sections 8.2, 17.2, 18.2). */
#include "sip/trans.h"

#include <stdio.h>

#include "sip/legs.h"
#include "sip/lex.h"
#include "sip/method.h"
#include "sip/outside.h"
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
 * Where responses to a request go ([C3-04]): never to an address other than that of its sender, whatever its Via says. maddr is ignored
 * (section 18.2.2 has it for multicast, which nobody sends us), because it would let anybody direct our responses to a third party, or to
 * ourselves.
 *
 * Over a stream: on the connection of the request, or if that is closed to its address, at the port of sent-by. Over UDP: from the socket
 * the request came in on, to its source port if rport was asked for, else to the port of sent-by. Strangers do not choose the port: over
 * UDP the response goes to the source port, and no connection is opened to them (port 0).
 */
static struct sip_target reply_target(const struct sip_layer *l, const struct sip_message *m)
{
	const struct sip_via *via = &m->via;
	struct sip_target t = { .flow = l->flow.id, .transport = l->flow.transport, .is_outside = l->flow.is_outside };
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

/* `with_routes`: also Record-Route, for responses that make a dialog. */
static int print_head(struct sip_layer *l, const struct sip_message *m, bool with_routes, char **head, size_t *len)
{
	char tag[SIP_TO_TAG_LEN];
	struct sip_source source = { xfed_span_str(l->flow.peer_ip), l->flow.peer_port };
	struct xfed_span to_tag = xfed_span_make(tag, sizeof(tag));
	size_t routes = 0;
	sip_to_tag(&l->secret, m, tag);
	int rc = sip_print_response_head(m, &source, to_tag, l->scratch, XFED_SIP_MESSAGE_BYTES, len);
	if (rc == XFED_OK && with_routes) {
		rc = sip_print_record_route(m, l->scratch + *len, XFED_SIP_MESSAGE_BYTES - *len, &routes);
	}
	if (rc != XFED_OK) {
		return rc;
	}
	*len += routes;
	*head = sip_layer_copy(l, *len);
	return *head ? XFED_OK : XFED_ERR_NOMEM;
}

/*
 * A response without transaction (section 8.2.7): the To tag is derived from the request, so a retransmission gets the same one. If the
 * head cannot be printed the peer could not match the response, and none is sent.
 */
int sip_server_answer(struct sip_layer *l, const struct sip_message *m, int status, const char *phrase, struct xfed_span extra)
{
	struct sip_response r = { .status = status, .phrase = xfed_span_str(phrase), .extra = extra };
	struct sip_target target = reply_target(l, m);
	char *head = NULL;
	size_t head_len, len;
	int rc = print_head(l, m, false, &head, &head_len);
	rc = rc == XFED_OK ? sip_print_response(&r, xfed_span_make(head, head_len), l->scratch, XFED_SIP_MESSAGE_BYTES, &len) : rc;
	rc = rc == XFED_OK ? sip_layer_send(l, &target, len) : rc;
	xfed_free(head);
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

/* Makes a transaction and adds it to the tables; NULL: no memory. */
static struct sip_trans *open_transaction(
	struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, enum sip_state state, bool with_routes)
{
	struct sip_trans *t = xfed_calloc(1, sizeof(*t));
	if (!t) {
		return NULL;
	}
	t->state = state;
	t->key = *key;
	t->target = reply_target(l, m);
	t->is_stranger = !l->flow.is_known;
	if (print_head(l, m, with_routes, &t->head, &t->head_len) != XFED_OK || sip_trans_add(l, t) != XFED_OK) {
		sip_trans_free(t);
		return NULL;
	}
	sip_trans_weigh(l, t);
	if (t->target.transport != SIP_UDP) {
		sip_trans_bind(l, t, l->flow.id);
	}
	return t;
}

/* [C1-10]: true if the same request has come another way and is still being processed. */
static bool is_merged(struct sip_layer *l, const struct sip_key *merged)
{
	struct sip_trans *other;
	HASH_FIND(hh_merged, l->by_merged, merged, sizeof(*merged), other);
	return other != NULL;
}

static bool is_invite(const struct sip_message *m)
{
	return xfed_span_is(m->method, "INVITE");
}

static void give_to_user(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, const struct sip_leg *leg, uint64_t now_ms)
{
	struct sip_layer_action act = {
		.kind = SIP_ACT_REQUEST,
		.txn = t->id,
		.user = t->user,
		.id = leg ? leg->id : 0,
		.dialog = t->dialog,
		.message = m,
		.flow = &l->flow,
	};
	sip_trans_enter(l, t, t->state, now_ms);
	sip_layer_push(l, &act);
}

static int deliver(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, const struct sip_verdict *v, uint64_t now_ms)
{
	struct sip_key merged = sip_key_merged(&l->secret, m);
	bool begins = v->method == SIP_METHOD_INVITE || v->method == SIP_METHOD_SUBSCRIBE;
	if (is_merged(l, &merged)) {
		return sip_server_answer(l, m, 482, NULL, XFED_SPAN(""));
	}
	if (begins && !l->flow.is_known) {
		return sip_server_answer(l, m, 403, NULL, XFED_SPAN("")); /* nothing is kept for strangers, and a dialog needs state */
	}
	if (sip_layer_is_full_of_servers(l) || (begins && sip_legs_are_full(l))) {
		return sip_server_answer(l, m, 503, NULL, XFED_SPAN(BUSY_LINE));
	}
	struct sip_trans *t = open_transaction(l, m, key, v->method == SIP_METHOD_INVITE ? SIP_STATE_S_INVITE_TRYING : SIP_STATE_S_TRYING, begins);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	int rc = begins ? sip_leg_of_request(l, t, v->user, m) : XFED_OK;
	if (rc != XFED_OK) {
		sip_trans_end(l, t);
		return rc == XFED_ERR_INVALID ? sip_server_answer(l, m, 400, "Bad Contact or Record-Route", XFED_SPAN("")) : rc;
	}
	t->user = v->user;
	t->merged = merged;
	HASH_ADD(hh_merged, l->by_merged, merged, sizeof(t->merged), t);
	t->is_merge_owner = t->hh_merged.tbl != NULL;
	give_to_user(l, t, m, NULL, now_ms);
	return XFED_OK;
}

/*
 * Sends a response and keeps it for retransmissions; changes the state. A stranger's final response is sent and forgotten (section 8.2.7):
 * a retransmission is refused again, with the same To tag. A response of a user is kept whatever its status: a 501 may be a contact's
 * answer to a message that was delivered, and delivering it again may give another answer.
 */
static int respond(struct sip_layer *l, struct sip_trans *t, enum sip_state next, const struct sip_response *r, uint64_t now_ms)
{
	XFED_UNSET char contact[SIP_OUTSIDE_CONTACT];
	struct xfed_span head = xfed_span_make(t->head, t->head_len);
	struct sip_response own = *r;
	size_t len;
	if (t->target.is_outside) {
		own.contact = sip_outside_answer(r->contact, head, contact);
	}
	int rc = sip_print_response(&own, head, l->scratch, XFED_SIP_MESSAGE_BYTES, &len);
	char *response = rc == XFED_OK ? sip_layer_copy(l, len) : NULL;
	if (!response) {
		return rc == XFED_OK ? XFED_ERR_NOMEM : rc;
	}
	xfed_free(t->last);
	t->last = response;
	t->last_len = len;
	t->sends = 0;
	if (r->status >= 200) {
		xfed_free(t->head);
		t->head = NULL;
		t->head_len = 0;
	}
	sip_trans_weigh(l, t);
	sip_trans_send(l, t);
	if (t->is_stranger && r->status >= 200) {
		sip_trans_end(l, t);
	} else {
		sip_trans_enter(l, t, next, now_ms);
	}
	return XFED_OK;
}

/*
 * Refuses a request inside a dialog. For an INVITE with a transaction, because the refusal depends on the state of the dialog at that time,
 * and is repeated until its ACK comes (section 17.2.1).
 */
static int refuse_inside(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, int status, const char *extra, uint64_t now_ms)
{
	if (!is_invite(m)) {
		return sip_server_answer(l, m, status, NULL, xfed_span_str(extra));
	}
	if (sip_layer_is_full_of_servers(l)) {
		return sip_server_answer(l, m, 503, NULL, XFED_SPAN(BUSY_LINE));
	}
	struct sip_trans *t = open_transaction(l, m, key, SIP_STATE_S_REFUSED, false);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	int rc = respond(l, t, SIP_STATE_S_REFUSED, &(struct sip_response){ .status = status, .extra = xfed_span_str(extra) }, now_ms);
	if (rc != XFED_OK) {
		sip_trans_end(l, t);
	}
	return rc;
}

/* 420 lists the required extensions that are not supported (section 8.2.2.3). */
static int refuse_extensions(struct sip_layer *l, const struct sip_message *m)
{
	static const char name[] = "Unsupported: ";
	const struct sip_header *h = NULL;
	size_t size = 1, at = 0;
	while ((h = sip_message_header(m, SIP_HEADER_REQUIRE, h))) {
		size += strlen(name) + 2 * h->value.len + 3; /* a blank may be inserted after each comma */
	}
	char *lines = xfed_malloc(size);
	if (!lines) {
		return XFED_ERR_NOMEM;
	}
	while ((h = sip_message_header(m, SIP_HEADER_REQUIRE, h))) {
		size_t n = sip_unsupported(&l->users, h->value, lines + at + strlen(name), size - at - strlen(name) - 2);
		if (n > 0) {
			memcpy(lines + at, name, strlen(name));
			at += strlen(name) + n;
			memcpy(lines + at, "\r\n", 2);
			at += 2;
		}
	}
	int rc = sip_server_answer(l, m, 420, NULL, xfed_span_make(lines, at));
	xfed_free(lines);
	return rc;
}

/* Refuses without state (section 8.2.7), even an INVITE, whose ACK is absorbed. */
static int refuse_by(struct sip_layer *l, const struct sip_message *m, const struct sip_verdict *v)
{
	if (v->status >= 300) { /* OPTIONS gets its 200 here too */
		struct sip_layer_action told = { .kind = SIP_ACT_REFUSED, .flow = &l->flow, .message = m, .status = v->status };
		sip_layer_push(l, &told);
	}
	return v->needs_unsupported ? refuse_extensions(l, m) : sip_server_answer(l, m, v->status, NULL, xfed_span_str(v->extra));
}

/* Answers an INVITE in place of its user, who has not. */
static int answer_for_user(struct sip_layer *l, struct sip_trans *t, int status, uint64_t now_ms)
{
	struct sip_layer_action act = { .kind = SIP_ACT_CANCELLED, .txn = t->id, .user = t->user };
	int rc = respond(l, t, SIP_STATE_S_REFUSED, &(struct sip_response){ .status = status }, now_ms);
	if (rc == XFED_OK) {
		sip_leg_forget(l, t);
		sip_layer_push(l, &act);
	}
	return rc;
}

int sip_server_give_up(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	int rc = answer_for_user(l, t, 408, now_ms);
	if (rc != XFED_OK) {
		struct sip_layer_action act = { .kind = SIP_ACT_CANCELLED, .txn = t->id, .user = t->user };
		sip_layer_push(l, &act);
		sip_trans_end(l, t); /* without memory for a response: the peer times out */
	}
	return rc;
}

/* Section 9.2. Has no effect if the INVITE has its final response already. */
static int answer_cancel(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, XFED_SPAN("INVITE"));
	struct sip_trans *t = sip_trans_by_key(l, &key);
	int rc = sip_server_answer(l, m, t ? 200 : 481, NULL, XFED_SPAN(""));
	if (rc == XFED_OK && t && sip_trans_is_open(t) && l->flow.is_known) {
		rc = answer_for_user(l, t, 487, now_ms);
	}
	return rc;
}

/* The ACK for a refusal has the INVITE's branch, that for a 2xx belongs to its dialog (section 13.3.1.4). */
static int absorb_ack(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, XFED_SPAN("INVITE"));
	struct sip_trans *t = sip_trans_by_key(l, &key);
	bool is_new;
	int rc;
	if (t && t->state == SIP_STATE_S_REFUSED) {
		sip_trans_enter(l, t, SIP_STATE_S_CONFIRMED, now_ms);
		return XFED_OK;
	}
	struct sip_leg *leg = m->to.tag.len > 0 && l->flow.is_known ? sip_leg_of(l, m, &is_new, &rc) : NULL;
	t = leg && m->cseq == leg->invite_cseq ? sip_trans_by_id(l, leg->unacked) : NULL;
	if (t) {
		struct sip_layer_action act = {
			.kind = SIP_ACT_REQUEST, .user = leg->user, .id = leg->id, .dialog = leg->number, .message = m, .flow = &l->flow
		};
		leg->unacked = 0;
		sip_trans_enter(l, t, SIP_STATE_S_ACKNOWLEDGED, now_ms);
		sip_layer_push(l, &act);
	}
	return XFED_OK;
}

/* ---- inside dialogs ---- */

/* Section 14.2, RFC 3311 section 5.2: one offer at a time. 0: the request may go on. */
static int glare_status(const struct sip_leg *leg, const struct sip_message *m, enum sip_method method)
{
	bool offers = method == SIP_METHOD_INVITE || (method == SIP_METHOD_UPDATE && m->body.len > 0);
	return !offers ? 0 : leg->ours ? 491 : leg->theirs ? 500 : 0;
}

static int refuse_glare(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, int status, uint64_t now_ms)
{
	char line[32] = "";
	uint8_t r = 0;
	if (status == 500) {
		l->env->random(l->env->user, &r, sizeof(r));
		snprintf(line, sizeof(line), "Retry-After: %u\r\n", r % 11U);
	}
	return refuse_inside(l, m, key, status, line, now_ms);
}

/*
 * A request of the peer's has come from there. A place that we have chosen, whose server sends its requests over a connection of its own,
 * stays the place: that connection is used while it is open, and when it is closed its address leads nowhere, as nobody has to listen at the
 * port that sent-by names, or prove a name there. Mostly it is where the last one came from: nothing is touched then, as a move within the
 * list of its connection touches the neighbours there. A name that this connection has proved to the user of the dialog stays known.
 */
static void heard_from(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *from)
{
	const struct sip_target *own = leg->target;
	struct sip_target at;
	bool is_same_host = own->transport == from->transport && strcmp(own->ip, from->ip) == 0;
	bool is_ours = leg->is_target_ours && own->transport != SIP_UDP && is_same_host;
	bool is_named = !from->tls_name[0] || strcmp(own->tls_name, from->tls_name) == 0;
	if (own->flow == from->flow && (is_ours || (!leg->is_target_ours && is_same_host && own->port == from->port && is_named))) {
		return;
	}
	if (is_ours) {
		sip_leg_target(leg, &at);
		at.flow = from->flow;
	}
	sip_leg_moved(l, leg, is_ours ? &at : from, is_ours);
}

static int deliver_inside(
	struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, struct sip_leg *leg, enum sip_method method, uint64_t now_ms)
{
	if (sip_layer_is_full_of_servers(l)) {
		return sip_server_answer(l, m, 503, NULL, XFED_SPAN(BUSY_LINE));
	}
	struct sip_trans *t = open_transaction(l, m, key, method == SIP_METHOD_INVITE ? SIP_STATE_S_INVITE_TRYING : SIP_STATE_S_TRYING, false);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->user = leg->user;
	t->dialog = leg->number;
	if (method == SIP_METHOD_INVITE) {
		t->is_in_leg = true;
		leg->theirs = t->id;
		leg->invite_cseq = m->cseq;
	}
	heard_from(l, leg, &t->target);
	give_to_user(l, t, m, leg, now_ms);
	return XFED_OK;
}

static int receive_inside(struct sip_layer *l, const struct sip_message *m, const struct sip_key *key, const struct sip_verdict *v, uint64_t now_ms)
{
	bool is_new;
	int rc = XFED_OK;
	struct sip_leg *leg = l->flow.is_known ? sip_leg_of(l, m, &is_new, &rc) : NULL;
	if (rc != XFED_OK) {
		return rc == XFED_ERR_INVALID ? sip_server_answer(l, m, 400, NULL, XFED_SPAN("")) : rc;
	}
	if (!leg) {
		return v->user && l->flow.is_known && m->to.tag.len > 0 ? deliver(l, m, key, v, now_ms) : refuse_by(l, m, v);
	}
	struct sip_verdict inner = sip_dispatch_inside(&l->users, leg->user, m);
	if (inner.disposition == SIP_DISPOSE_ANSWER) {
		return refuse_by(l, m, &inner);
	}
	int glare = glare_status(leg, m, inner.method);
	if (glare != 0) {
		return refuse_glare(l, m, key, glare, now_ms);
	}
	switch (is_new ? SIP_DIALOG_TAKEN : sip_dialog_take(leg->dialog, m)) {
	case SIP_DIALOG_TAKEN:
		return deliver_inside(l, m, key, leg, inner.method, now_ms);
	case SIP_DIALOG_OUT_OF_ORDER:
		return refuse_inside(l, m, key, 500, "", now_ms);
	case SIP_DIALOG_BAD_CONTACT:
		return refuse_inside(l, m, key, 400, "", now_ms);
	case SIP_DIALOG_NO_MEMORY:
		break;
	}
	return XFED_ERR_NOMEM;
}

/* A retransmitted request gets its last response again, if there is one ([C2-02]). */
static void repeat(struct sip_layer *l, struct sip_trans *t)
{
	/* The copy may have come over a new connection, in which case the old one is most likely dead. */
	if (t->target.transport != SIP_UDP) {
		sip_trans_bind(l, t, l->flow.id);
	}
	l->stats.retransmissions_absorbed++;
	/* RFC 6026 section 7.1: a 2xx to INVITE is repeated by a timer. */
	bool is_absorbed = t->state == SIP_STATE_S_CONFIRMED || t->state == SIP_STATE_S_ACCEPTED || t->state == SIP_STATE_S_ACKNOWLEDGED;
	if (t->last && !is_absorbed) {
		sip_trans_send(l, t);
	}
}

int sip_server_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_verdict v = sip_dispatch(&l->users, m);
	if (v.disposition == SIP_DISPOSE_ABSORB) {
		return absorb_ack(l, m, now_ms);
	}
	struct sip_key key = sip_key_server(&l->secret, m, l->flow.transport, m->method);
	struct sip_trans *t = sip_trans_by_key(l, &key);
	if (t && !t->is_stranger && !l->flow.is_known) {
		/* The same request from another peer, which would get the response: it is being processed already. */
		return sip_server_answer(l, m, 482, NULL, XFED_SPAN(""));
	}
	if (t) {
		repeat(l, t);
		return XFED_OK;
	}
	switch (v.disposition) {
	case SIP_DISPOSE_USER:
		return deliver(l, m, &key, &v, now_ms);
	case SIP_DISPOSE_DIALOG:
		return receive_inside(l, m, &key, &v, now_ms);
	case SIP_DISPOSE_CANCEL:
		return answer_cancel(l, m, now_ms);
	case SIP_DISPOSE_ANSWER:
		return refuse_by(l, m, &v);
	case SIP_DISPOSE_ABSORB:
		break;
	}
	return XFED_OK;
}

int sip_server_say_trying(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	enum sip_state next = t->state == SIP_STATE_S_INVITE_TRYING ? SIP_STATE_S_INVITE_PROCEEDING : SIP_STATE_S_PROCEEDING;
	int rc = respond(l, t, next, &(struct sip_response){ .status = 100 }, now_ms);
	if (rc != XFED_OK) {
		/* Without memory the 100 is lost, as a datagram may be; the transaction goes on. */
		sip_trans_enter(l, t, next, now_ms);
	}
	return rc;
}

/*
 * The dialog of an INVITE or SUBSCRIBE: it can be found from the first provisional response on, exists for good after a 2xx, and is removed
 * after a refusal. Called before the response is sent, because that may end the transaction; undone where it cannot be sent.
 */
static int prepare_dialog(struct sip_layer *l, struct sip_leg *leg, const struct sip_trans *t, int status)
{
	if (leg->maker != t->id || status >= 300) {
		return XFED_OK;
	}
	int rc = sip_leg_enter(l, leg);
	if (rc == XFED_OK && status >= 200) {
		leg->maker = 0;
	}
	return rc;
}

static void settle_dialog(struct sip_layer *l, struct sip_trans *t, int status, bool is_session, uint64_t id)
{
	if (status >= 300) {
		sip_leg_forget(l, t);
		return;
	}
	struct sip_leg *leg = sip_leg_by_number(l, t->dialog);
	leg->id = id != 0 ? id : leg->id;
	if (status >= 200) {
		leg->theirs = leg->theirs == t->id ? 0 : leg->theirs;
		leg->unacked = is_session ? t->id : leg->unacked;
	}
}

int sip_layer_answer(struct sip_layer *l, uint64_t txn, const struct sip_response *r, uint64_t id, uint64_t now_ms)
{
	sip_layer_begin(l);
	struct sip_trans *t = sip_trans_by_id(l, txn);
	if (!t || sip_trans_is_client(t) || !sip_trans_is_open(t)) {
		return XFED_ERR_NOT_FOUND;
	}
	bool is_session = t->state == SIP_STATE_S_INVITE_TRYING || t->state == SIP_STATE_S_INVITE_PROCEEDING;
	/* RFC 4320 section 4.2: outside INVITE a 408 would always come too late, and provisional responses are not allowed. */
	if (r->status <= 100 || (!is_session && (r->status < 200 || r->status == 408))) {
		return XFED_ERR_INVALID;
	}
	enum sip_state next = !is_session	? SIP_STATE_S_COMPLETED
			      : r->status < 200 ? SIP_STATE_S_INVITE_PROCEEDING
			      : r->status < 300 ? SIP_STATE_S_ACCEPTED
						: SIP_STATE_S_REFUSED;
	struct sip_leg *leg = t->is_in_leg || id != 0 ? sip_leg_by_number(l, t->dialog) : NULL; /* other answers change nothing there */
	uint64_t maker = leg ? leg->maker : 0;
	int rc = leg ? prepare_dialog(l, leg, t, r->status) : XFED_OK;
	if (rc != XFED_OK) {
		return rc;
	}
	rc = respond(l, t, next, r, now_ms);
	if (leg && rc == XFED_OK) {
		settle_dialog(l, t, r->status, is_session, id);
	} else if (leg) {
		leg->maker = maker;
	}
	return rc;
}
