/* The dialogs of the transaction layer, and what INVITE demands of both ends beyond its transaction (RFC 3261 sections 12 to 14, RFC 6026). */
#include "sip/legs.h"

#include <stdio.h>

#include "xfed/limits.h"

#define BRANCH_SIZE 64

/* ---- tables ---- */

struct sip_leg *sip_leg_by_number(const struct sip_layer *l, uint64_t number)
{
	struct sip_leg *leg = NULL;
	HASH_FIND(hh, l->legs, &number, sizeof(number), leg);
	return leg;
}

bool sip_legs_are_full(const struct sip_layer *l)
{
	return HASH_COUNT(l->legs) >= XFED_SIP_DIALOGS_MAX;
}

static void take_off(struct sip_layer *l, struct sip_leg *leg)
{
	if (leg->is_keyed) {
		HASH_DELETE(hh_key, l->legs_by_key, leg);
		leg->is_keyed = false;
	}
}

/* OK; STATE: another dialog has that key; NOMEM. After an error nothing has changed. */
static int set_key(struct sip_layer *l, struct sip_leg *leg, struct sip_key key)
{
	struct sip_leg *other = NULL;
	struct sip_key before = leg->key;
	bool was_keyed = leg->is_keyed;
	HASH_FIND(hh_key, l->legs_by_key, &key, sizeof(key), other);
	if (other) {
		return other == leg ? XFED_OK : XFED_ERR_STATE;
	}
	take_off(l, leg);
	leg->key = key;
	HASH_ADD(hh_key, l->legs_by_key, key, sizeof(leg->key), leg);
	if (leg->hh_key.tbl) {
		leg->is_keyed = true;
		return XFED_OK;
	}
	leg->key = before;
	if (was_keyed) {
		HASH_ADD(hh_key, l->legs_by_key, key, sizeof(leg->key), leg);
		leg->is_keyed = leg->hh_key.tbl != NULL;
	}
	return XFED_ERR_NOMEM;
}

static struct sip_leg *leg_new(struct sip_layer *l, const struct sip_user *user, const struct sip_target *target)
{
	struct sip_leg *leg = xfed_calloc(1, sizeof(*leg));
	if (!leg || !sip_leg_set_target(leg, target)) {
		xfed_free(leg);
		return NULL;
	}
	leg->number = ++l->last_dialog;
	leg->user = user;
	HASH_ADD(hh, l->legs, number, sizeof(leg->number), leg);
	if (!leg->hh.tbl) {
		xfed_free(leg->target);
		xfed_free(leg);
		return NULL;
	}
	return leg;
}

void sip_leg_free(struct sip_layer *l, struct sip_leg *leg)
{
	take_off(l, leg);
	sip_leg_unbind(leg);
	HASH_DELETE(hh, l->legs, leg);
	sip_dialog_free(leg->dialog);
	xfed_free(leg->target);
	xfed_free(leg);
}

static struct sip_key key_of(const struct sip_layer *l, const struct sip_dialog *d)
{
	return sip_key_dialog(&l->secret, sip_dialog_text(d, SIP_DIALOG_CALL_ID), sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG),
		sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG));
}

void sip_leg_forget(struct sip_layer *l, struct sip_trans *t)
{
	struct sip_leg *leg = sip_leg_by_number(l, t->dialog);
	if (!leg) {
		return;
	}
	leg->ours = leg->ours == t->id ? 0 : leg->ours;
	leg->theirs = leg->theirs == t->id ? 0 : leg->theirs;
	leg->unacked = leg->unacked == t->id ? 0 : leg->unacked;
	if (leg->maker == t->id) {
		sip_leg_free(l, leg);
		t->dialog = 0;
	}
}

/* ---- requests the layer makes itself ---- */

/* Derived from the dialog, so that the ACK for a retransmitted response has the same branch. */
static struct xfed_span write_branch(const struct sip_layer *l, const struct sip_dialog *d, char what, uint32_t cseq, char out[BRANCH_SIZE])
{
	struct sip_key key = key_of(l, d);
	int n = snprintf(out, BRANCH_SIZE, "%016llx%016llx%c%u", (unsigned long long)key.a, (unsigned long long)key.b, what, cseq);
	return xfed_span_make(out, (size_t)n);
}

static int send_ack(struct sip_layer *l, const struct sip_trans *t, const struct sip_message *invite, const struct sip_dialog *d, uint32_t cseq)
{
	char branch[BRANCH_SIZE], credentials[SIP_CREDENTIALS_SIZE];
	struct sip_request rq = { .extra = sip_print_credentials(invite, credentials) };
	struct sip_via_out via = sip_client_via(l, &t->target, write_branch(l, d, 'a', cseq, branch));
	size_t size;
	sip_dialog_ack(d, cseq, &rq);
	int rc = sip_print_request(&rq, &via, l->scratch, XFED_SIP_MESSAGE_BYTES, &size);
	return rc == XFED_OK ? sip_layer_send(l, &t->target, size) : rc;
}

/* True: sent. Nobody is told the response. A BYE that is already running is not sent a second time. */
static bool send_bye(struct sip_layer *l, const struct sip_target *target, struct sip_dialog *d, uint64_t now_ms)
{
	char branch[BRANCH_SIZE];
	struct sip_request rq = { .method = XFED_SPAN("BYE") };
	struct sip_trans *t;
	size_t size;
	if (!sip_dialog_request(d, rq.method, &rq)) {
		return false;
	}
	struct xfed_span b = write_branch(l, d, 'b', 0, branch);
	struct sip_via_out via = sip_client_via(l, target, b);
	bool is_sent = sip_print_request(&rq, &via, l->scratch, XFED_SIP_MESSAGE_BYTES, &size) == XFED_OK &&
		       sip_client_launch(l, target, b, rq.method, size, now_ms, &t) == XFED_OK;
	if (is_sent) {
		t->is_silent = true;
	}
	return is_sent;
}

/* An ACK for a 2xx without usable Contact, which makes no dialog; it stops the retransmissions of the 2xx. */
static int send_bare_ack(struct sip_layer *l, const struct sip_trans *t, const struct sip_message *invite, const struct sip_message *m)
{
	size_t size;
	int rc = sip_print_ack(invite, m, l->scratch, XFED_SIP_MESSAGE_BYTES, &size);
	return rc == XFED_OK ? sip_layer_send(l, &t->target, size) : rc;
}

/* ---- dialogs of our own requests ---- */

int sip_leg_of_call(struct sip_layer *l, const struct sip_layer_request *rq, struct sip_leg **out)
{
	if (sip_legs_are_full(l)) {
		return XFED_ERR_AGAIN;
	}
	struct sip_leg *leg = leg_new(l, rq->user, &rq->target);
	*out = leg;
	if (!leg) {
		return XFED_ERR_NOMEM;
	}
	leg->id = rq->id;
	leg->is_caller = true;
	leg->is_target_ours = true;
	/*
	 * With a tag of the peer that is not known yet, a NOTIFY may come before the response (RFC 6665 section 4.1.2.4); and so does what the user
	 * of a Lync-family client writes while another device of his may still accept.
	 */
	int rc = set_key(l, leg, sip_key_dialog(&l->secret, rq->request.call_id, rq->request.from_tag, XFED_SPAN("")));
	if (rc != XFED_OK) {
		sip_leg_free(l, leg);
		*out = NULL;
	}
	return rc;
}

static struct sip_dialog_start start_of(const struct sip_message *sent)
{
	return (struct sip_dialog_start){
		.call_id = sent->call_id, .local_tag = sent->from.tag, .local_uri = sent->from.uri, .remote_uri = sent->to.uri, .cseq = sent->cseq
	};
}

/* Gives the dialog to the leg, or frees it. */
static int adopt(struct sip_layer *l, struct sip_leg *leg, struct sip_dialog *d)
{
	int rc = set_key(l, leg, key_of(l, d));
	if (rc != XFED_OK) {
		sip_dialog_free(d);
		return rc;
	}
	sip_dialog_free(leg->dialog);
	leg->dialog = d;
	return XFED_OK;
}

/* An early dialog that is confirmed keeps its CSeq numbers; a response of another fork makes a different dialog. */
static int bind(struct sip_layer *l, struct sip_leg *leg, const struct sip_message *sent, const struct sip_message *m)
{
	if (leg->dialog && m->to.tag.data && xfed_span_eq(sip_dialog_text(leg->dialog, SIP_DIALOG_REMOTE_TAG), m->to.tag)) {
		return sip_dialog_confirm(leg->dialog, m);
	}
	struct sip_dialog_start start = start_of(sent);
	struct sip_dialog *d;
	int rc = sip_dialog_of_response(&start, m, &d);
	return rc == XFED_OK ? adopt(l, leg, d) : rc;
}

/*
 * A 2xx of another fork, or to an INVITE that was given up: acknowledged, and its dialog ended with BYE. Of forks without end, whose BYEs would
 * fill the table, the first are.
 */
static int refuse_fork(struct sip_layer *l, struct sip_trans *t, const struct sip_message *invite, const struct sip_message *m, uint64_t now_ms)
{
	struct sip_dialog_start start = start_of(invite);
	struct sip_dialog *d;
	int rc = sip_dialog_of_response(&start, m, &d);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_INVALID ? send_bare_ack(l, t, invite, m) : rc;
	}
	rc = send_ack(l, t, invite, d, m->cseq);
	if (rc == XFED_OK && t->forks < XFED_SIP_FORKS_MAX && !sip_layer_is_full(l)) {
		t->forks += send_bye(l, &t->target, d, now_ms);
	}
	sip_dialog_free(d);
	return rc;
}

/* A 2xx to our INVITE: the first one, a copy, or that of another fork. */
static int accepted(
	struct sip_layer *l, struct sip_trans *t, const struct sip_message *invite, const struct sip_message *m, uint64_t now_ms, bool *is_for_user)
{
	struct sip_leg *leg = sip_leg_by_number(l, t->dialog);
	bool is_first = t->state != SIP_STATE_ACCEPTED;
	*is_for_user = is_first;
	if (leg && leg->maker == t->id && (t->is_cancelled || t->must_cancel)) {
		sip_leg_free(l, leg);
		t->dialog = 0;
		leg = NULL;
	}
	if (!leg) {
		return refuse_fork(l, t, invite, m, now_ms);
	}
	if (leg->maker == t->id) {
		int rc = bind(l, leg, invite, m);
		if (rc == XFED_ERR_INVALID || rc == XFED_ERR_STATE) {
			sip_leg_free(l, leg);
			t->dialog = 0;
			return send_bare_ack(l, t, invite, m);
		}
		if (rc != XFED_OK) {
			return rc;
		}
		leg->maker = 0;
		sip_leg_moved(l, leg, &t->target, true);
	} else if (!m->to.tag.data || !xfed_span_eq(sip_dialog_text(leg->dialog, SIP_DIALOG_REMOTE_TAG), m->to.tag)) {
		return refuse_fork(l, t, invite, m, now_ms);
	} else if (is_first && sip_dialog_answered(leg->dialog, m) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	leg->ours = leg->ours == t->id ? 0 : leg->ours;
	return send_ack(l, t, invite, leg->dialog, m->cseq);
}

/* A response to a request of ours that is no 2xx to INVITE. */
static int other_answer(struct sip_layer *l, struct sip_trans *t, struct sip_leg *leg, const struct sip_message *m)
{
	bool makes = leg->maker == t->id, is_invite = xfed_span_is(m->cseq_method, "INVITE");
	struct sip_message *sent = NULL;
	int rc = XFED_OK;
	if (m->status >= 300) {
		leg->ours = leg->ours == t->id ? 0 : leg->ours;
		if (makes) {
			sip_leg_free(l, leg);
			t->dialog = 0;
		}
		return XFED_OK;
	}
	if (!makes) {
		bool is_this_one = leg->dialog && m->to.tag.data && xfed_span_eq(sip_dialog_text(leg->dialog, SIP_DIALOG_REMOTE_TAG), m->to.tag);
		if (is_this_one && m->status >= 200) {
			sip_leg_took(l, leg, &t->target);
		}
		return is_this_one ? sip_dialog_answered(leg->dialog, m) : XFED_OK;
	}
	if (m->status == 100 || !m->to.tag.data || (m->status < 200 && (!is_invite || leg->dialog))) {
		return XFED_OK; /* only the first early dialog is kept */
	}
	rc = sip_client_read_back(t, &sent);
	rc = rc == XFED_OK ? bind(l, leg, sent, m) : rc;
	sip_message_free(sent);
	if (m->status < 200) {
		return XFED_OK; /* an early dialog is not needed */
	}
	if (rc == XFED_OK) {
		leg->maker = 0;
		sip_leg_moved(l, leg, &t->target, true);
	} else if (rc != XFED_ERR_NOMEM) {
		sip_leg_free(l, leg); /* a 2xx that makes no dialog */
		t->dialog = 0;
		rc = XFED_OK;
	}
	return rc;
}

int sip_leg_answered(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, uint64_t now_ms, bool *is_for_user)
{
	struct sip_leg *leg = t->dialog != 0 ? sip_leg_by_number(l, t->dialog) : NULL;
	t->dialog = leg ? t->dialog : 0; /* its user has ended the dialog already */
	if (m->status >= 200 && m->status < 300 && xfed_span_is(m->cseq_method, "INVITE")) {
		struct sip_message *invite = NULL;
		int rc = sip_client_read_back(t, &invite);
		rc = rc == XFED_OK ? accepted(l, t, invite, m, now_ms, is_for_user) : rc;
		sip_message_free(invite);
		return rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	return leg ? other_answer(l, t, leg, m) : XFED_OK;
}

/* ---- dialogs of peers' requests ---- */

int sip_leg_of_request(struct sip_layer *l, struct sip_trans *t, const struct sip_user *user, const struct sip_message *m)
{
	char tag[SIP_TO_TAG_LEN];
	struct sip_dialog *d;
	sip_to_tag(&l->secret, m, tag);
	int rc = sip_dialog_of_request(m, m->to.tag.data ? m->to.tag : xfed_span_make(tag, sizeof(tag)), &d);
	if (rc != XFED_OK) {
		return rc;
	}
	struct sip_leg *leg = leg_new(l, user, &t->target);
	if (!leg) {
		sip_dialog_free(d);
		return XFED_ERR_NOMEM;
	}
	leg->dialog = d;
	t->is_in_leg = true;
	leg->maker = t->id;
	leg->theirs = xfed_span_is(m->method, "INVITE") ? t->id : 0;
	leg->invite_cseq = m->cseq;
	sip_leg_moved(l, leg, &t->target, false);
	t->dialog = leg->number;
	return XFED_OK;
}

int sip_leg_enter(struct sip_layer *l, struct sip_leg *leg)
{
	return leg->is_keyed ? XFED_OK : set_key(l, leg, key_of(l, leg->dialog));
}

/* RFC 6665 section 8.2.1: a NOTIFY without Subscription-State belongs to no subscription. */
static int dialog_of_early(const struct sip_trans *t, const struct sip_message *m, bool is_notify, struct sip_dialog **out)
{
	struct sip_message *sent = NULL;
	int rc = !is_notify || sip_message_header(m, SIP_HEADER_SUBSCRIPTION_STATE, NULL) ? sip_client_read_back(t, &sent) : XFED_ERR_INVALID;
	if (rc == XFED_OK) {
		struct sip_dialog_start start = start_of(sent);
		rc = is_notify ? sip_dialog_of_notify(&start, m, out) : sip_dialog_of_early(&start, m, out);
	}
	sip_message_free(sent);
	return rc;
}

/*
 * Only the first such request makes a dialog (RFC 3856 section 6.9): other forks get 481. That of an INVITE stays early, and depends on its
 * answer.
 */
static struct sip_leg *of_early_request(struct sip_layer *l, const struct sip_message *m, int *rc)
{
	struct sip_key key = sip_key_dialog(&l->secret, m->call_id, m->to.tag, XFED_SPAN(""));
	struct sip_leg *leg = NULL;
	struct sip_dialog *d;
	HASH_FIND(hh_key, l->legs_by_key, &key, sizeof(key), leg);
	const struct sip_trans *t = leg ? sip_trans_by_id(l, leg->maker) : NULL;
	bool is_invite = t && (t->state == SIP_STATE_CALLING || t->state == SIP_STATE_INVITE_PROCEEDING);
	if (!t || leg->dialog || is_invite == xfed_span_is(m->method, "NOTIFY")) {
		return NULL;
	}
	*rc = dialog_of_early(t, m, !is_invite, &d);
	*rc = *rc == XFED_OK ? adopt(l, leg, d) : *rc;
	if (*rc != XFED_OK) {
		return NULL;
	}
	leg->maker = is_invite ? leg->maker : 0;
	return leg;
}

struct sip_leg *sip_leg_of(struct sip_layer *l, const struct sip_message *m, bool *is_new, int *rc)
{
	struct sip_key key = sip_key_dialog(&l->secret, m->call_id, m->to.tag, m->from.tag);
	struct sip_leg *leg = NULL;
	*is_new = false;
	*rc = XFED_OK;
	if (m->from.tag.len > 0) {
		HASH_FIND(hh_key, l->legs_by_key, &key, sizeof(key), leg);
	}
	if (!leg && m->from.tag.len > 0) {
		leg = of_early_request(l, m, rc);
		*is_new = leg != NULL;
	}
	return leg;
}

/* Section 13.3.1.4: our 2xx got no ACK. */
void sip_leg_unacknowledged(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	struct sip_leg *leg = sip_leg_by_number(l, t->dialog);
	if (leg) {
		struct sip_layer_action act = { .kind = SIP_ACT_ENDED, .user = leg->user, .id = leg->id, .dialog = leg->number };
		struct sip_target target;
		sip_leg_target(leg, &target);
		send_bye(l, &target, leg->dialog, now_ms);
		sip_layer_push(l, &act);
		sip_leg_free(l, leg);
		t->dialog = 0;
	}
	sip_trans_end(l, t);
}

/* ---- called by users ---- */

const struct sip_dialog *sip_layer_dialog(const struct sip_layer *l, uint64_t dialog)
{
	const struct sip_leg *leg = sip_leg_by_number(l, dialog);
	return leg ? leg->dialog : NULL;
}

uint64_t sip_layer_dialog_resume(struct sip_layer *l, const struct sip_user *user, uint64_t id, struct sip_dialog *d, const struct sip_target *to)
{
	struct sip_leg *leg = leg_new(l, user, to);
	if (!leg || set_key(l, leg, key_of(l, d)) != XFED_OK) {
		if (leg) {
			sip_leg_free(l, leg);
		}
		return 0;
	}
	leg->dialog = d;
	leg->id = id;
	sip_leg_moved(l, leg, to, true);
	return leg->number;
}

void sip_layer_dialog_end(struct sip_layer *l, uint64_t dialog)
{
	struct sip_leg *leg = sip_leg_by_number(l, dialog);
	struct sip_trans *t = leg ? sip_trans_by_id(l, leg->unacked) : NULL;
	if (t) {
		sip_trans_end(l, t); /* after the dialog has ended no ACK is needed */
	}
	if (leg) {
		sip_leg_free(l, leg);
	}
}

uint64_t sip_layer_glare_ms(const struct sip_layer *l, uint64_t dialog)
{
	const struct sip_leg *leg = sip_leg_by_number(l, dialog);
	uint32_t r = 0;
	l->env->random(l->env->user, &r, sizeof(r));
	/* In steps of 10 ms: 2.1 to 4 s for the side that owns the Call-ID, 0 to 2 s for the other. */
	return leg && leg->is_caller ? 2100 + 10 * (r % 191) : 10 * (r % 201);
}
