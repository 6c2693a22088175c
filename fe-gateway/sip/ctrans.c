/* Client transactions: requests of ours (RFC 3261 section 17.1). */
#include "sip/trans.h"

#include "sip/legs.h"
#include "sip/method.h"
#include "sip/outside.h"
#include "util/hex.h"
#include "xfed/limits.h"

#define COOKIE_LEN  strlen("z9hG4bK")
#define RANDOM_SIZE 16

static size_t sent_by(const struct sip_target *target)
{
	return target->is_outside ? SIP_TRANSPORT_COUNT : (size_t)target->transport;
}

struct sip_via_out sip_client_via(const struct sip_layer *l, const struct sip_target *target, struct xfed_span branch)
{
	return (struct sip_via_out){
		.transport = sip_transport_name(target->transport),
		.host = xfed_span_str(l->sent_by[sent_by(target)].host),
		.port = l->sent_by[sent_by(target)].port,
		.branch = branch,
		.has_rport = target->transport == SIP_UDP,
	};
}

static int print(const struct sip_layer *l, const struct sip_layer_request *params, struct xfed_span branch, char *out, size_t size, size_t *len)
{
	XFED_UNSET char contact[SIP_OUTSIDE_CONTACT];
	struct sip_request rq = params->request;
	struct sip_via_out via = sip_client_via(l, &params->target, branch);
	if (params->target.is_outside) {
		rq.contact = sip_outside_contact(rq.contact, rq.from_uri, contact);
	}
	return sip_print_request(&rq, &via, out, size, len);
}

int sip_layer_request_size(const struct sip_layer *l, const struct sip_layer_request *params, size_t *size)
{
	char any[2 * RANDOM_SIZE];
	memset(any, '0', sizeof(any));
	return print(l, params, params->branch.data ? params->branch : xfed_span_make(any, sizeof(any)), NULL, 0, size);
}

static size_t size_limit(const struct sip_layer_request *params)
{
	if (params->target.transport == SIP_UDP) {
		return XFED_SIP_UDP_REQUEST_BYTES;
	}
	size_t limit = params->max_request > 0 ? params->max_request : XFED_SIP_MAX_REQUEST;
	return limit < XFED_SIP_MESSAGE_BYTES ? limit : XFED_SIP_MESSAGE_BYTES;
}

/* Checks everything that can refuse a request before memory is allocated. The request is in the layer's scratch buffer afterwards. */
static int print_request(const struct sip_layer *l, const struct sip_layer_request *params, struct xfed_span branch, size_t *size)
{
	enum sip_method method = sip_method_parse(params->request.method);
	if (!l->sent_by[sent_by(&params->target)].host[0]) {
		return XFED_ERR_STATE;
	}
	if (method == SIP_METHOD_ACK || method == SIP_METHOD_CANCEL) {
		return XFED_ERR_INVALID;
	}
	int rc = print(l, params, branch, l->scratch, XFED_SIP_MESSAGE_BYTES, size);
	if (rc == XFED_OK && *size > size_limit(params)) {
		rc = XFED_ERR_LIMIT;
	}
	return rc == XFED_OK && sip_layer_is_full(l) ? XFED_ERR_AGAIN : rc;
}

/* Adds a new transaction to the tables and sends its request; frees it where that fails. */
static int launch(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	int rc = sip_trans_by_key(l, &t->key) ? XFED_ERR_STATE : sip_trans_add(l, t);
	if (rc != XFED_OK) {
		sip_trans_free(t);
		return rc;
	}
	if (t->target.flow != 0 && t->target.transport != SIP_UDP) {
		sip_trans_bind(l, t, t->target.flow);
	}
	sip_trans_enter(l, t, t->state, now_ms);
	sip_pace_send(l, t, now_ms);
	return XFED_OK;
}

int sip_client_launch(struct sip_layer *l, const struct sip_target *target, struct xfed_span branch, struct xfed_span method, size_t size,
	uint64_t now_ms, struct sip_trans **out)
{
	struct sip_trans *t = xfed_calloc(1, sizeof(*t));
	*out = NULL;
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->target = *target;
	t->state = xfed_span_is(method, "INVITE") ? SIP_STATE_CALLING : SIP_STATE_TRYING;
	t->last = sip_layer_copy(l, size);
	t->last_len = size;
	if (!t->last) {
		sip_trans_free(t);
		return XFED_ERR_NOMEM;
	}
	t->key = sip_key_client(&l->secret, branch, method);
	int rc = launch(l, t, now_ms);
	*out = rc == XFED_OK ? t : NULL;
	return rc;
}

static bool makes_dialog(const struct sip_layer_request *rq)
{
	return rq->user && rq->dialog == 0 && !rq->request.to_tag.data &&
	       (xfed_span_is(rq->request.method, "INVITE") || xfed_span_is(rq->request.method, "SUBSCRIBE"));
}

static int start(struct sip_layer *l, const struct sip_layer_request *rq, struct sip_leg *leg, uint64_t now_ms, struct sip_trans **out)
{
	uint8_t random[RANDOM_SIZE];
	char hex[2 * RANDOM_SIZE + 1];
	struct xfed_span branch = rq->branch;
	size_t size;
	if (!branch.data) {
		l->env->random(l->env->user, random, sizeof(random));
		xfed_hex(hex, random, sizeof(random));
		branch = xfed_span_str(hex);
	}
	int rc = print_request(l, rq, branch, &size);
	if (rc == XFED_OK && leg) {
		leg->dialog->is_printable = true;
	}
	struct sip_leg *made = NULL;
	if (rc == XFED_OK && makes_dialog(rq)) {
		rc = sip_leg_of_call(l, rq, &made);
		leg = made;
	}
	rc = rc == XFED_OK ? sip_client_launch(l, &rq->target, branch, rq->request.method, size, now_ms, out) : rc;
	if (rc != XFED_OK) {
		if (made) {
			sip_leg_free(l, made);
		}
		return rc;
	}
	(*out)->user = rq->user;
	(*out)->id_of_user = rq->id;
	(*out)->dialog = leg ? leg->number : 0;
	if (made) {
		(*out)->is_in_leg = true;
		made->maker = (*out)->id;
		made->ours = xfed_span_is(rq->request.method, "INVITE") ? (*out)->id : 0; /* its early dialog takes no other offer meanwhile */
	}
	return XFED_OK;
}

/* A request inside a dialog: copies `rq`, with what the dialog determines, and with its target where none is named. */
static int start_inside(struct sip_layer *l, const struct sip_layer_request *params, uint64_t now_ms, struct sip_trans **out)
{
	struct sip_leg *leg = sip_leg_by_number(l, params->dialog);
	struct sip_layer_request rq = *params;
	bool is_invite = xfed_span_is(rq.request.method, "INVITE");
	if (!leg || !leg->dialog) {
		return XFED_ERR_NOT_FOUND;
	}
	if (is_invite && (leg->ours || leg->theirs)) {
		return XFED_ERR_STATE;
	}
	if (!rq.target.ip[0]) {
		sip_leg_target(leg, &rq.target);
	}
	if (!sip_dialog_request(leg->dialog, rq.request.method, &rq.request)) {
		return XFED_ERR_LIMIT;
	}
	int rc = start(l, &rq, leg, now_ms, out);
	if (rc == XFED_OK && is_invite) {
		leg->ours = (*out)->id;
		(*out)->is_in_leg = true;
	}
	return rc;
}

int sip_layer_request(struct sip_layer *l, const struct sip_layer_request *params, uint64_t now_ms, uint64_t *txn)
{
	struct sip_trans *t = NULL;
	sip_layer_begin(l);
	int rc = params->dialog != 0 ? start_inside(l, params, now_ms, &t) : start(l, params, NULL, now_ms, &t);
	if (rc == XFED_OK) {
		*txn = t->id;
	}
	return rc;
}

int sip_client_read_back(const struct sip_trans *t, struct sip_message **invite)
{
	struct sip_error err;
	return sip_message_parse(xfed_span_make(t->last, t->last_len), SIP_PARSE_STREAM, invite, &err);
}

static struct xfed_span unique_part(struct xfed_span branch)
{
	return xfed_span_make(branch.data + COOKIE_LEN, branch.len - COOKIE_LEN);
}

static int send_cancel(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	struct sip_message *invite = NULL;
	struct sip_trans *cancel;
	size_t size = 0;
	int rc = sip_client_read_back(t, &invite);
	rc = rc == XFED_OK ? sip_print_cancel(invite, l->scratch, XFED_SIP_MESSAGE_BYTES, &size) : rc;
	if (rc == XFED_OK) {
		rc = sip_client_launch(l, &t->target, unique_part(invite->via.branch), XFED_SPAN("CANCEL"), size, now_ms, &cancel);
	}
	if (rc == XFED_OK) {
		cancel->is_silent = true;
		t->must_cancel = false;
		t->is_cancelled = true;
		/* Section 9.1: no final response within 64*T1 of the CANCEL means there is none. */
		t->expire_ms = now_ms + sip_layer_scale(l, XFED_SIP_TIMER_F_MS);
		sip_trans_rearm(l, t);
	}
	sip_message_free(invite);
	return rc;
}

int sip_layer_cancel(struct sip_layer *l, uint64_t txn, uint64_t now_ms)
{
	sip_layer_begin(l);
	struct sip_trans *t = sip_trans_by_id(l, txn);
	if (!t || t->is_cancelled || (t->state != SIP_STATE_CALLING && t->state != SIP_STATE_INVITE_PROCEEDING)) {
		return XFED_ERR_NOT_FOUND;
	}
	/* Section 9.1: not before a provisional response has come. */
	if (t->state == SIP_STATE_CALLING) {
		t->must_cancel = true;
		return XFED_OK;
	}
	return send_cancel(l, t, now_ms);
}

static void tell(struct sip_layer *l, const struct sip_trans *t, const struct sip_message *m)
{
	if (!t->is_silent && m->status != 100) {
		struct sip_layer_action act = {
			.kind = SIP_ACT_RESPONSE,
			.txn = t->id,
			.user = t->user,
			.id = t->id_of_user,
			.dialog = t->dialog,
			.status = m->status,
			.message = m,
		};
		sip_layer_push(l, &act);
	}
}

/* Applies the response to the dialog, then reports it to the user. */
static int take_answer(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, uint64_t now_ms)
{
	bool is_for_user = true;
	int rc = t->user || t->dialog != 0 ? sip_leg_answered(l, t, m, now_ms, &is_for_user) : XFED_OK;
	if (rc == XFED_OK && is_for_user) {
		tell(l, t, m);
	}
	return rc;
}

/* Section 17.1.1.3: the ACK replaces the INVITE in `last`, and is sent again for each copy of the response. */
static int acknowledge(struct sip_layer *l, struct sip_trans *t, const struct sip_message *response)
{
	struct sip_message *invite = NULL;
	size_t size = 0;
	int rc = sip_client_read_back(t, &invite);
	rc = rc == XFED_OK ? sip_print_ack(invite, response, l->scratch, XFED_SIP_MESSAGE_BYTES, &size) : rc;
	char *ack = rc == XFED_OK ? sip_layer_copy(l, size) : NULL;
	if (ack) {
		xfed_free(t->last);
		t->last = ack;
		t->last_len = size;
		t->sends = 0;
		sip_trans_send(l, t);
	} else if (rc == XFED_OK) {
		rc = XFED_ERR_NOMEM;
	}
	sip_message_free(invite);
	return rc;
}

static int invite_final(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, uint64_t now_ms)
{
	if (m->status < 300) {
		int rc = take_answer(l, t, m, now_ms); /* without memory: the peer sends the response again */
		if (rc == XFED_OK) {
			sip_trans_enter(l, t, SIP_STATE_ACCEPTED, now_ms);
		}
		return rc;
	}
	int rc = acknowledge(l, t, m);
	rc = rc == XFED_OK ? take_answer(l, t, m, now_ms) : rc;
	if (rc == XFED_OK) {
		sip_trans_enter(l, t, SIP_STATE_INVITE_COMPLETED, now_ms);
	}
	return rc;
}

int sip_client_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_trans *t = NULL;
	if (m->via.has_cookie) {
		struct sip_key key = sip_key_client(&l->secret, unique_part(m->via.branch), m->cseq_method);
		t = sip_trans_by_key(l, &key);
	}
	if (!t) {
		l->stats.responses_stray++;
		return XFED_OK;
	}
	bool is_final = m->status >= 200;
	int rc;
	switch (t->state) {
	case SIP_STATE_TRYING:
	case SIP_STATE_PROCEEDING:
		rc = take_answer(l, t, m, now_ms);
		if (rc != XFED_OK) {
			return rc;
		}
		if (is_final) {
			sip_trans_enter(l, t, SIP_STATE_COMPLETED, now_ms);
		} else if (t->state == SIP_STATE_TRYING) {
			sip_trans_enter(l, t, SIP_STATE_PROCEEDING, now_ms);
		}
		return XFED_OK;
	case SIP_STATE_CALLING:
	case SIP_STATE_INVITE_PROCEEDING:
		if (is_final) {
			return invite_final(l, t, m, now_ms);
		}
		rc = take_answer(l, t, m, now_ms);
		if (t->state == SIP_STATE_CALLING) {
			sip_trans_enter(l, t, SIP_STATE_INVITE_PROCEEDING, now_ms);
		}
		return rc == XFED_OK && t->must_cancel ? send_cancel(l, t, now_ms) : rc;
	case SIP_STATE_INVITE_COMPLETED:
		if (m->status >= 300) {
			sip_trans_send(l, t);
		}
		break;
	case SIP_STATE_ACCEPTED:
		/* RFC 6026 section 7.2: every 2xx is passed to the dialog, and acknowledged. */
		return is_final && m->status < 300 ? take_answer(l, t, m, now_ms) : XFED_OK;
	case SIP_STATE_COMPLETED:
	case SIP_STATE_S_TRYING:
	case SIP_STATE_S_PROCEEDING:
	case SIP_STATE_S_COMPLETED:
	case SIP_STATE_S_REFUSED:
	case SIP_STATE_S_CONFIRMED:
	case SIP_STATE_S_INVITE_TRYING:
	case SIP_STATE_S_INVITE_PROCEEDING:
	case SIP_STATE_S_ACCEPTED:
	case SIP_STATE_S_ACKNOWLEDGED:
	case SIP_STATE_COUNT:
		break;
	}
	l->stats.retransmissions_absorbed++;
	return XFED_OK;
}

void sip_client_sent(struct sip_layer *l, uint64_t txn, uint64_t flow)
{
	struct sip_trans *t = sip_trans_by_id(l, txn);
	if (t && sip_trans_is_client(t) && t->target.transport != SIP_UDP) {
		t->is_written = true;
		sip_trans_bind(l, t, flow);
	}
}

void sip_client_failed(struct sip_layer *l, struct sip_trans *t, bool was_written)
{
	if (sip_trans_is_open(t) && !t->is_silent) {
		struct sip_layer_action act = { .kind = SIP_ACT_TRANSPORT_ERROR, .txn = t->id, .user = t->user, .id = t->id_of_user };
		act.was_written = was_written || t->is_written || (t->target.transport == SIP_UDP && t->sends > t->returned + 1);
		sip_layer_push(l, &act);
	}
	sip_trans_end(l, t);
}

/*
 * The transaction of a request quoted by ICMP; as sip_print_request() writes it, our Via is the first header field. NULL also where the
 * quote ends before the branch does.
 */
static struct sip_trans *find_quoted(const struct sip_layer *l, struct xfed_span quoted)
{
	static const char mark[] = ";branch=z9hG4bK";
	const char *end = quoted.data + quoted.len;
	const char *space = memchr(quoted.data, ' ', quoted.len);
	const char *line = memmem(quoted.data, quoted.len, "\r\nVia: ", 7);
	const char *branch = line ? memmem(line, (size_t)(end - line), mark, strlen(mark)) : NULL;
	const char *rest = branch ? branch + strlen(mark) : NULL;
	const char *stop = rest ? memmem(rest, (size_t)(end - rest), ";rport", 6) : NULL;
	if (!space || !stop) {
		return NULL;
	}
	struct sip_key key =
		sip_key_client(&l->secret, xfed_span_make(rest, (size_t)(stop - rest)), xfed_span_make(quoted.data, (size_t)(space - quoted.data)));
	return sip_trans_by_key(l, &key);
}

/*
 * RFC 3261 section 18.4. Anybody can forge ICMP, but only we and the next hop know the branch. A message that quotes less (RFC 792 asks for
 * 8 bytes of the datagram) is ignored.
 */
void sip_client_returned(struct sip_layer *l, const struct sip_layer_event *ev)
{
	struct sip_trans *t = ev->bytes.len > 0 ? find_quoted(l, ev->bytes) : NULL;
	if (!t || t->target.transport != SIP_UDP || (t->state != SIP_STATE_TRYING && t->state != SIP_STATE_CALLING)) {
		return;
	}
	bool is_it = ev->bytes.len <= t->last_len && memcmp(ev->bytes.data, t->last, ev->bytes.len) == 0;
	bool is_there = t->target.port == ev->flow->peer_port && sip_host_eq(xfed_span_str(t->target.ip), xfed_span_str(ev->flow->peer_ip));
	if (!is_it || !is_there || t->returned >= t->sends) {
		return;
	}
	t->returned++;
	if (t->returned == t->sends) {
		sip_client_failed(l, t, false);
	}
}
