#include "interwork/relation.h"

static const struct {
	const char *word;
	bool is_to, is_from, is_out, is_in;
} states[IW_RELATION_STATES] = {
#define ROW(id, word, to, from, out, in) { word, to, from, out, in },
	XFED_RELATIONS(ROW)
#undef ROW
};

struct cell {
	enum iw_relation_state next;
	bool is_passed;
	enum iw_relation_reply reply;
};

/* Cells of the table. GO: the new state, and the stanza is passed on; STAY: it is not. END and GRANTED also answer it. */
#define GO(next)                                                                                                                                     \
	{                                                                                                                                            \
		IW_RELATION_##next, true, IW_RELATION_SILENT                                                                                         \
	}
#define END(next)                                                                                                                                    \
	{                                                                                                                                            \
		IW_RELATION_##next, true, IW_RELATION_UNSUBSCRIBED                                                                                   \
	}
#define STAY(state)                                                                                                                                  \
	{                                                                                                                                            \
		IW_RELATION_##state, false, IW_RELATION_SILENT                                                                                       \
	}
#define GRANTED(state)                                                                                                                               \
	{                                                                                                                                            \
		IW_RELATION_##state, false, IW_RELATION_SUBSCRIBED                                                                                   \
	}

/* RFC 6121 tables 2 to 9. For a user's `subscribed` and `unsubscribed` without a request or subscription see pre_approve(). */
static const struct cell table[IW_RELATION_STATES][IW_RELATION_EVENTS] = {
	/* clang-format off */
	/*                         out: subscribe     unsubscribe      subscribed      unsubscribed      in: subscribe        unsubscribe    subscribed    unsubscribed */
	[IW_RELATION_NONE] =        { GO(NONE_OUT),    GO(NONE),        STAY(NONE),     STAY(NONE),       GO(NONE_IN),         STAY(NONE),        STAY(NONE),    STAY(NONE) },
	[IW_RELATION_NONE_OUT] =    { GO(NONE_OUT),    GO(NONE),        STAY(NONE_OUT), STAY(NONE_OUT),   GO(NONE_OUT_IN),     STAY(NONE_OUT),    GO(TO),        GO(NONE) },
	[IW_RELATION_NONE_IN] =     { GO(NONE_OUT_IN), GO(NONE_IN),     GO(FROM),       GO(NONE),         STAY(NONE_IN),       END(NONE),         STAY(NONE_IN), STAY(NONE_IN) },
	[IW_RELATION_NONE_OUT_IN] = { GO(NONE_OUT_IN), GO(NONE_IN),     GO(FROM_OUT),   GO(NONE_OUT),     STAY(NONE_OUT_IN),   END(NONE_OUT),     GO(TO_IN),     GO(NONE_IN) },
	[IW_RELATION_TO] =          { GO(TO),          GO(NONE),        STAY(TO),       STAY(TO),         GO(TO_IN),           STAY(TO),          STAY(TO),      GO(NONE) },
	[IW_RELATION_TO_IN] =       { GO(TO_IN),       GO(NONE_IN),     GO(BOTH),       GO(TO),           STAY(TO_IN),         END(TO),           STAY(TO_IN),   GO(NONE_IN) },
	[IW_RELATION_FROM] =        { GO(FROM_OUT),    GO(FROM),        STAY(FROM),     GO(NONE),         GRANTED(FROM),       END(NONE),         STAY(FROM),    STAY(FROM) },
	[IW_RELATION_FROM_OUT] =    { GO(FROM_OUT),    GO(FROM),        STAY(FROM_OUT), GO(NONE_OUT),     GRANTED(FROM_OUT),   END(NONE_OUT),     GO(BOTH),      GO(FROM) },
	[IW_RELATION_BOTH] =        { GO(BOTH),        GO(FROM),        STAY(BOTH),     GO(TO),           GRANTED(BOTH),       END(TO),           STAY(BOTH),    GO(FROM) },
	/* clang-format on */
};

/* The contact neither sees the user nor has asked to. */
static bool may_preapprove(enum iw_relation_state s)
{
	return !states[s].is_from && !states[s].is_in;
}

/* RFC 6121 section 3.4.2: the request is answered by the pre-approval, and the user never sees it. */
static struct cell answer_preapproved(enum iw_relation_state s)
{
	enum iw_relation_state asked = table[s][IW_RELATION_IN_SUBSCRIBE].next;
	return (struct cell){ table[asked][IW_RELATION_OUT_SUBSCRIBED].next, false, IW_RELATION_SUBSCRIBED };
}

struct iw_relation_step iw_relation_step(struct iw_relation *r, enum iw_relation_event event)
{
	XFED_REQUIRE((unsigned)r->state < IW_RELATION_STATES && (unsigned)event < IW_RELATION_EVENTS);
	const struct iw_relation before = *r;
	struct cell c = table[r->state][event];
	if (event == IW_RELATION_OUT_SUBSCRIBED && may_preapprove(r->state)) {
		r->is_preapproved = true;
	} else if (event == IW_RELATION_OUT_UNSUBSCRIBED) {
		r->is_preapproved = false;
	} else if (event == IW_RELATION_IN_SUBSCRIBE && r->is_preapproved && may_preapprove(r->state)) {
		c = answer_preapproved(r->state);
		r->is_preapproved = false;
	}
	r->state = c.next;
	return (struct iw_relation_step){ c.is_passed, c.reply, r->state != before.state || r->is_preapproved != before.is_preapproved };
}

bool iw_relation_is_to(enum iw_relation_state s)
{
	return states[s].is_to;
}

bool iw_relation_is_from(enum iw_relation_state s)
{
	return states[s].is_from;
}

bool iw_relation_is_pending_out(enum iw_relation_state s)
{
	return states[s].is_out;
}

bool iw_relation_is_pending_in(enum iw_relation_state s)
{
	return states[s].is_in;
}

const char *iw_relation_word(enum iw_relation_state s)
{
	XFED_REQUIRE((unsigned)s < IW_RELATION_STATES);
	return states[s].word;
}

bool iw_relation_of_word(struct xfed_span word, enum iw_relation_state *out)
{
	for (unsigned s = 0; s < IW_RELATION_STATES; s++) {
		if (xfed_span_is(word, states[s].word)) {
			*out = (enum iw_relation_state)s;
			return true;
		}
	}
	return false;
}
