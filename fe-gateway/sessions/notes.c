/*
 * Requests of ours in a call besides MESSAGE and BYE, sent at the end of the turn. Nobody waits for the answer to one that says who types. That
 * of a message lost is told otherwise where it has not been taken: the session may have ended meanwhile.
 */
#include "sessions/sessions_impl.h"

#include <utlist.h>

#include "interwork/address.h"
#include "interwork/imdn.h"
#include "xfed/jid.h"
#include "xfed/text.h"

/* In one block with its texts. */
struct session_note {
	uint64_t id, call;
	struct sessions *room;
	const char *method, *type;
	struct xfed_span body, local, remote, words; /* `words` data NULL: nobody waits for the answer */
	struct trunk_send send;
	bool is_due; /* in sessions.notes; else it waits for its answer */
	struct session_note *prev, *next;
	UT_hash_handle hh; /* by id */
};

static void set_due(struct session_note *n, bool is_due)
{
	if (is_due && !n->is_due) {
		DL_APPEND(n->room->notes, n);
		core_flush_soon(n->room->below.core);
	} else if (!is_due && n->is_due) {
		DL_DELETE(n->room->notes, n);
	}
	n->is_due = is_due;
}

static struct session_note *find(const struct sessions *ss, uint64_t id)
{
	struct session_note *n = NULL;
	HASH_FIND(hh, ss->notes_by_id, &id, sizeof(id), n);
	return n;
}

int session_note(struct call *c, const char *method, const char *type, struct xfed_span body, const struct session_lost *lost)
{
	struct sessions *ss = c->room;
	struct session_lost none = { .status = 0 };
	const struct session_lost *of = lost ? lost : &none;
	struct session_note *n = xfed_malloc(sizeof(*n) + body.len + of->local.len + of->remote.len + of->words.len + 4);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	char *at = (char *)(n + 1);
	*n = (struct session_note){ .id = ++ss->below.core->last_id, .call = c->id, .room = ss, .method = method, .type = type };
	n->send = (struct trunk_send){ .user = &ss->trunk_user, .hop = c->send.hop };
	n->body = xfed_span_put(&at, body);
	n->local = xfed_span_put(&at, of->local);
	n->remote = xfed_span_put(&at, of->remote);
	n->words = xfed_span_put(&at, of->words);
	HASH_ADD(hh, ss->notes_by_id, id, sizeof(n->id), n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return XFED_ERR_NOMEM;
	}
	set_due(n, true);
	return XFED_OK;
}

static void note_free(struct session_note *n)
{
	set_due(n, false);
	trunk_send_end(&n->send);
	HASH_DELETE(hh, n->room->notes_by_id, n);
	xfed_free(n);
}

/* It has not been taken. */
static void failed(struct session_note *n, enum xfed_reason reason)
{
	const struct sessions_user *u = n->room->user;
	rt_log(n->words.data ? RT_LOG_INFO : RT_LOG_DEBUG, "session.unsent", RT_KV_U64("call", n->call), RT_KV_STR("method", n->method),
		RT_KV_REASON(reason), RT_END);
	if (n->words.data) {
		u->untold(u->data, n->local, n->remote, n->words);
	}
	note_free(n);
}

static int send_in(struct session_note *n, struct call *c, const struct config_domain *d)
{
	struct sessions *ss = n->room;
	char contact[TRUNK_CONTACT_BYTES];
	uint64_t txn;
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.dialog = c->dialog,
		.user = n->words.data ? &ss->trunk_user.sip : NULL,
		.id = n->id,
		.request = {
			.method = xfed_span_str(n->method),
			.contact = xfed_span_str(trunk_contact(ss->below.trunk, c->transport, contact)),
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.content_type = xfed_span_str(n->type),
			.body = n->body,
		},
	};
	return trunk_send_inside(&n->send, d, &rq, &txn);
}

static void send_note(struct session_note *n)
{
	struct sessions *ss = n->room;
	struct call *c = call_find(ss, n->call);
	const struct config_domain *d = c && c->session ? session_domain(c->session) : NULL;
	uint64_t id = n->id;
	set_due(n, false);
	int rc = d && c->dialog != 0 ? send_in(n, c, d) : XFED_ERR_NOT_FOUND;
	n = find(ss, id); /* what is sent may fail during the call */
	if (n && rc != XFED_OK) {
		failed(n, trunk_unsent(rc).reason);
	} else if (n && !n->words.data) {
		note_free(n);
	}
}

void session_notes_flush(struct sessions *ss)
{
	while (ss->notes) {
		send_note(ss->notes);
	}
}

bool session_note_answered(struct sessions *ss, uint64_t id, const struct sip_message *m)
{
	struct session_note *n = find(ss, id);
	if (n && m->status >= 200) {
		trunk_send_answered(&n->send, xfed_span_str(n->method), m);
		if (trunk_send_challenged(&n->send, m)) {
			set_due(n, true);
		} else if (m->status >= 300) {
			failed(n, XFED_REASON_SIP_REQUEST_REFUSED);
		} else {
			note_free(n);
		}
	}
	return n != NULL;
}

bool session_note_failed(struct sessions *ss, uint64_t id)
{
	struct session_note *n = find(ss, id);
	if (n) {
		failed(n, XFED_REASON_SIP_SERVER_TIMEOUT);
	}
	return n != NULL;
}

void session_notes_free(struct sessions *ss)
{
	struct session_note *n, *next;
	HASH_ITER(hh, ss->notes_by_id, n, next) {
		note_free(n);
	}
}

/* ---- a message that was lost after its answer ---- */

bool sessions_tell_lost(struct sessions *ss, const struct session_lost *lost)
{
	struct call *c = session_current(session_find(ss, lost->local, lost->remote));
	struct xfed_arena a;
	struct xfed_buf body;
	struct xfed_jid contact = xfed_jid_of_normalised(lost->remote);
	struct xfed_span uri;
	xfed_arena_init(&a, 16 * 1024);
	xfed_buf_init(&body, IW_IMDN_BYTES);
	int rc = c ? iw_jid_to_sip(&a, &contact, NULL, &uri) : XFED_ERR_NOT_FOUND;
	rc = rc == XFED_OK ? iw_imdn_write(&body, lost->message_id, uri, lost->status) : rc;
	rc = rc == XFED_OK ? session_note(c, "NOTIFY", IW_IMDN_TYPE, xfed_buf_span(&body), lost) : rc;
	xfed_buf_deinit(&body);
	xfed_arena_deinit(&a);
	return rc == XFED_OK;
}
