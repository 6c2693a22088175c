/* RFC 6121 section 3.4 and appendix A: [A11-02], [A11-03], [A11-05], written down a second time, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/relation.h"

/*
 * "state event -> state": then what happens to the stanza (MUST: it goes on, NOT: it does not), the answer on the user's behalf, and
 * "pre" where it is a pre-approval.
 */
static const struct row {
	const char *state, *event, *next;
	const char *passed, *reply;
} rows[] = {
	/* table 2: outbound subscribe */
	{ "none", "out subscribe", "none+pending-out", "MUST", "" },
	{ "none+pending-out", "out subscribe", "none+pending-out", "MUST", "" },
	{ "none+pending-in", "out subscribe", "none+pending-out+in", "MUST", "" },
	{ "none+pending-out+in", "out subscribe", "none+pending-out+in", "MUST", "" },
	{ "to", "out subscribe", "to", "MUST", "" },
	{ "to+pending-in", "out subscribe", "to+pending-in", "MUST", "" },
	{ "from", "out subscribe", "from+pending-out", "MUST", "" },
	{ "from+pending-out", "out subscribe", "from+pending-out", "MUST", "" },
	{ "both", "out subscribe", "both", "MUST", "" },
	/* table 3: outbound unsubscribe */
	{ "none", "out unsubscribe", "none", "MUST", "" },
	{ "none+pending-out", "out unsubscribe", "none", "MUST", "" },
	{ "none+pending-in", "out unsubscribe", "none+pending-in", "MUST", "" },
	{ "none+pending-out+in", "out unsubscribe", "none+pending-in", "MUST", "" },
	{ "to", "out unsubscribe", "none", "MUST", "" },
	{ "to+pending-in", "out unsubscribe", "none+pending-in", "MUST", "" },
	{ "from", "out unsubscribe", "from", "MUST", "" },
	{ "from+pending-out", "out unsubscribe", "from", "MUST", "" },
	{ "both", "out unsubscribe", "from", "MUST", "" },
	/* table 4: outbound subscribed */
	{ "none", "out subscribed", "none", "NOT", "pre" },
	{ "none+pending-out", "out subscribed", "none+pending-out", "NOT", "pre" },
	{ "none+pending-in", "out subscribed", "from", "MUST", "" },
	{ "none+pending-out+in", "out subscribed", "from+pending-out", "MUST", "" },
	{ "to", "out subscribed", "to", "NOT", "pre" },
	{ "to+pending-in", "out subscribed", "both", "MUST", "" },
	{ "from", "out subscribed", "from", "NOT", "" },
	{ "from+pending-out", "out subscribed", "from+pending-out", "NOT", "" },
	{ "both", "out subscribed", "both", "NOT", "" },
	/* table 5: outbound unsubscribed */
	{ "none", "out unsubscribed", "none", "NOT", "" },
	{ "none+pending-out", "out unsubscribed", "none+pending-out", "NOT", "" },
	{ "none+pending-in", "out unsubscribed", "none", "MUST", "" },
	{ "none+pending-out+in", "out unsubscribed", "none+pending-out", "MUST", "" },
	{ "to", "out unsubscribed", "to", "NOT", "" },
	{ "to+pending-in", "out unsubscribed", "to", "MUST", "" },
	{ "from", "out unsubscribed", "none", "MUST", "" },
	{ "from+pending-out", "out unsubscribed", "none+pending-out", "MUST", "" },
	{ "both", "out unsubscribed", "to", "MUST", "" },
	/* table 6: inbound subscribe */
	{ "none", "in subscribe", "none+pending-in", "MUST", "" },
	{ "none+pending-out", "in subscribe", "none+pending-out+in", "MUST", "" },
	{ "none+pending-in", "in subscribe", "none+pending-in", "NOT", "" },
	{ "none+pending-out+in", "in subscribe", "none+pending-out+in", "NOT", "" },
	{ "to", "in subscribe", "to+pending-in", "MUST", "" },
	{ "to+pending-in", "in subscribe", "to+pending-in", "NOT", "" },
	{ "from", "in subscribe", "from", "NOT", "subscribed" },
	{ "from+pending-out", "in subscribe", "from+pending-out", "NOT", "subscribed" },
	{ "both", "in subscribe", "both", "NOT", "subscribed" },
	/* table 7: inbound unsubscribe */
	{ "none", "in unsubscribe", "none", "NOT", "" },
	{ "none+pending-out", "in unsubscribe", "none+pending-out", "NOT", "" },
	{ "none+pending-in", "in unsubscribe", "none", "MUST", "unsubscribed" },
	{ "none+pending-out+in", "in unsubscribe", "none+pending-out", "MUST", "unsubscribed" },
	{ "to", "in unsubscribe", "to", "NOT", "" },
	{ "to+pending-in", "in unsubscribe", "to", "MUST", "unsubscribed" },
	{ "from", "in unsubscribe", "none", "MUST", "unsubscribed" },
	{ "from+pending-out", "in unsubscribe", "none+pending-out", "MUST", "unsubscribed" },
	{ "both", "in unsubscribe", "to", "MUST", "unsubscribed" },
	/* table 8: inbound subscribed */
	{ "none", "in subscribed", "none", "NOT", "" },
	{ "none+pending-out", "in subscribed", "to", "MUST", "" },
	{ "none+pending-in", "in subscribed", "none+pending-in", "NOT", "" },
	{ "none+pending-out+in", "in subscribed", "to+pending-in", "MUST", "" },
	{ "to", "in subscribed", "to", "NOT", "" },
	{ "to+pending-in", "in subscribed", "to+pending-in", "NOT", "" },
	{ "from", "in subscribed", "from", "NOT", "" },
	{ "from+pending-out", "in subscribed", "both", "MUST", "" },
	{ "both", "in subscribed", "both", "NOT", "" },
	/* table 9: inbound unsubscribed */
	{ "none", "in unsubscribed", "none", "NOT", "" },
	{ "none+pending-out", "in unsubscribed", "none", "MUST", "" },
	{ "none+pending-in", "in unsubscribed", "none+pending-in", "NOT", "" },
	{ "none+pending-out+in", "in unsubscribed", "none+pending-in", "MUST", "" },
	{ "to", "in unsubscribed", "none", "MUST", "" },
	{ "to+pending-in", "in unsubscribed", "none+pending-in", "MUST", "" },
	{ "from", "in unsubscribed", "from", "NOT", "" },
	{ "from+pending-out", "in unsubscribed", "from", "MUST", "" },
	{ "both", "in unsubscribed", "from", "MUST", "" },
	/* section 3.4.2: asked for what the user has approved before */
	{ "pre none", "in subscribe", "from", "NOT", "subscribed" },
	{ "pre none+pending-out", "in subscribe", "from+pending-out", "NOT", "subscribed" },
	{ "pre to", "in subscribe", "both", "NOT", "subscribed" },
	{ "pre none", "out unsubscribed", "none", "NOT", "" },
	{ "pre none+pending-out", "out unsubscribed", "none+pending-out", "NOT", "" },
	{ "pre to", "out unsubscribed", "to", "NOT", "" },
	/* ... and it outlasts what concerns the other direction only */
	{ "pre none", "out subscribe", "none+pending-out", "MUST", "pre" },
	{ "pre none", "out subscribed", "none", "NOT", "pre" },
	{ "pre none+pending-out", "in subscribed", "to", "MUST", "pre" },
	{ "pre to", "in unsubscribed", "none", "MUST", "pre" },
	{ "pre to", "in unsubscribe", "to", "NOT", "pre" },
};

static const char *const events[IW_RELATION_EVENTS] = {
	"out subscribe",
	"out unsubscribe",
	"out subscribed",
	"out unsubscribed",
	"in subscribe",
	"in unsubscribe",
	"in subscribed",
	"in unsubscribed",
};

static enum iw_relation_event event_of(const char *name)
{
	for (unsigned i = 0; i < IW_RELATION_EVENTS; i++) {
		if (strcmp(events[i], name) == 0) {
			return (enum iw_relation_event)i;
		}
	}
	fail_msg("no event '%s'", name);
	return IW_RELATION_EVENTS;
}

static struct iw_relation relation_of(const char *name)
{
	struct iw_relation r = { .is_preapproved = strncmp(name, "pre ", 4) == 0 };
	assert_true(iw_relation_of_word(xfed_span_str(name + (r.is_preapproved ? 4 : 0)), &r.state));
	return r;
}

static void every_row(void **state)
{
	(void)state;
	bool is_seen[IW_RELATION_STATES][IW_RELATION_EVENTS] = { { false } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct row *w = &rows[i];
		struct iw_relation r = relation_of(w->state), before = r;
		enum iw_relation_event event = event_of(w->event);
		struct iw_relation_step got = iw_relation_step(&r, event);
		bool is_pre = strcmp(w->reply, "pre") == 0;
		enum iw_relation_reply reply = strcmp(w->reply, "subscribed") == 0     ? IW_RELATION_SUBSCRIBED
					       : strcmp(w->reply, "unsubscribed") == 0 ? IW_RELATION_UNSUBSCRIBED
										       : IW_RELATION_SILENT;
		bool is_changed = r.state != before.state || r.is_preapproved != before.is_preapproved;
		if (strcmp(iw_relation_word(r.state), w->next) != 0 || got.is_passed != (strcmp(w->passed, "MUST") == 0) || got.reply != reply ||
			r.is_preapproved != is_pre || got.is_changed != is_changed) {
			fail_msg("%s, %s: %s, passed %d, reply %d, pre-approved %d, changed %d", w->state, w->event, iw_relation_word(r.state),
				got.is_passed, (int)got.reply, r.is_preapproved, got.is_changed);
		}
		if (!before.is_preapproved) {
			assert_false(is_seen[before.state][event]);
			is_seen[before.state][event] = true;
		}
	}
	for (unsigned s = 0; s < IW_RELATION_STATES; s++) {
		for (unsigned e = 0; e < IW_RELATION_EVENTS; e++) {
			assert_true(is_seen[s][e]);
		}
	}
}

/*
 * What has happened, as far as it matters for who may see whom: the user has said `subscribed` since he last took it back, the
 * contact has said it to a request that was open, and so on. Walked are all relations with all such histories that can come about.
 */
struct world {
	struct iw_relation r;
	bool has_user_approved;	   /* and not taken it back since, nor has the contact let go of it */
	bool has_contact_approved; /* the same of the contact, while asked */
	bool has_user_asked, has_contact_asked;
};

static struct world after(struct world w, enum iw_relation_event e, struct iw_relation_step *step)
{
	*step = iw_relation_step(&w.r, e);
	switch (e) {
	case IW_RELATION_OUT_SUBSCRIBE:
		w.has_user_asked = true;
		break;
	case IW_RELATION_OUT_UNSUBSCRIBE:
		w.has_user_asked = w.has_contact_approved = false;
		break;
	case IW_RELATION_OUT_SUBSCRIBED:
		w.has_user_approved = true;
		break;
	case IW_RELATION_OUT_UNSUBSCRIBED:
		w.has_user_approved = w.has_contact_asked = false;
		break;
	case IW_RELATION_IN_SUBSCRIBE:
		w.has_contact_asked = true;
		break;
	case IW_RELATION_IN_UNSUBSCRIBE:
		/* A pre-approval that answered nothing yet is not let go of by that. */
		w.has_user_approved = w.has_user_approved && !w.has_contact_asked;
		w.has_contact_asked = false;
		break;
	case IW_RELATION_IN_SUBSCRIBED:
		w.has_contact_approved = w.has_contact_approved || w.has_user_asked;
		break;
	case IW_RELATION_IN_UNSUBSCRIBED:
		w.has_contact_approved = w.has_user_asked = false;
		break;
	case IW_RELATION_EVENTS:
		break;
	}
	return w;
}

static void holds(const struct world *w)
{
	enum iw_relation_state s = w->r.state;
	assert_int_equal(iw_relation_is_from(s), w->has_user_approved && w->has_contact_asked);
	assert_int_equal(iw_relation_is_pending_in(s), !w->has_user_approved && w->has_contact_asked);
	assert_int_equal(w->r.is_preapproved, w->has_user_approved && !w->has_contact_asked);
	assert_int_equal(iw_relation_is_to(s), w->has_contact_approved && w->has_user_asked);
	assert_int_equal(iw_relation_is_pending_out(s), !w->has_contact_approved && w->has_user_asked);
}

static unsigned number_of(const struct world *w)
{
	return (unsigned)w->r.state * 32 + w->r.is_preapproved * 16u + w->has_user_approved * 8u + w->has_contact_approved * 4u +
	       w->has_user_asked * 2u + w->has_contact_asked;
}

static void nobody_is_seen_without_approval(void **state)
{
	(void)state;
	enum { WORLDS = IW_RELATION_STATES * 32 };
	bool is_seen[WORLDS] = { false };
	struct world list[WORLDS] = { { { IW_RELATION_NONE, false }, false, false, false, false } };
	size_t count = 1;
	is_seen[number_of(&list[0])] = true;
	for (size_t at = 0; at < count; at++) {
		for (unsigned e = 0; e < IW_RELATION_EVENTS; e++) {
			struct iw_relation_step step;
			struct world next = after(list[at], (enum iw_relation_event)e, &step);
			holds(&next);
			/* Answers are given to the contact's requests alone, and `subscribed` to nobody who does not see the user then. */
			assert_true(step.reply == IW_RELATION_SILENT || e >= IW_RELATION_IN_SUBSCRIBE);
			assert_true(step.reply != IW_RELATION_SUBSCRIBED || iw_relation_is_from(next.r.state));
			assert_true(step.reply != IW_RELATION_UNSUBSCRIBED || !iw_relation_is_from(next.r.state));
			/* What the user is not shown changes nothing for him, but for a request he has approved before. */
			assert_true(step.is_passed || e < IW_RELATION_IN_SUBSCRIBE || !step.is_changed || list[at].r.is_preapproved);
			if (!is_seen[number_of(&next)]) {
				is_seen[number_of(&next)] = true;
				list[count++] = next;
			}
		}
	}
	/* Each state is reached; those without `from` and request also with a pre-approval. */
	assert_int_equal(count, IW_RELATION_STATES + 3);
}

static void words(void **state)
{
	(void)state;
	enum iw_relation_state s;
	for (unsigned i = 0; i < IW_RELATION_STATES; i++) {
		assert_true(iw_relation_of_word(xfed_span_str(iw_relation_word((enum iw_relation_state)i)), &s));
		assert_int_equal(s, i);
	}
	assert_false(iw_relation_of_word(XFED_SPAN("remove"), &s));
	assert_false(iw_relation_of_word(XFED_SPAN(""), &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(nobody_is_seen_without_approval),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
