/* Calls as they are now, for operators. */
#include "sessions/sessions_impl.h"

static void fill(const struct call *c, struct sessions_call *out)
{
	static const char *const states[] = { [SIP_CALL_NONE] = "ending",
		[SIP_CALL_INVITING] = "inviting",
		[SIP_CALL_HELD] = "held",
		[SIP_CALL_OPEN] = "open",
		[SIP_CALL_ENDING] = "ending" };
	const struct sip_call *m = &c->session->machine.calls[c->number];
	const struct sip_dialog *d = c->dialog != 0 ? trunk_dialog(c->room->below.trunk, c->dialog) : NULL;
	uint64_t now = sessions_now(c->room);
	*out = (struct sessions_call){
		.id = c->id,
		.local = c->session->local,
		.remote = c->session->remote,
		.call_id = d ? sip_dialog_text(d, SIP_DIALOG_CALL_ID) : xfed_span_make(NULL, 0),
		.is_ours = c->is_ours,
		.state = states[m->state],
		.idle_ms = m->state == SIP_CALL_OPEN && now > m->used_ms ? now - m->used_ms : 0,
		.under_way = m->sent + m->taken,
	};
}

bool sessions_next(const struct sessions *ss, uint64_t after, struct sessions_call *out)
{
	const struct call *c = after != 0 ? call_find(ss, after) : NULL; /* the table keeps the order in which they came */
	c = c ? c->hh.next : ss->calls;
	while (c && (c->id <= after || !c->session)) {
		c = c->hh.next;
	}
	if (c) {
		fill(c, out);
	}
	return c != NULL;
}
