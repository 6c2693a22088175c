/* `test im`, `test presence`: what is sent in a user's name, and what comes of it, step by step. */
#include <stdarg.h>
#include <stdio.h>
#include <utlist.h>

#include "admin/address.h"
#include "admin/admin.h"
#include "admin/writer.h"
#include "admin/explain_ask.h"
#include "xfed/mem.h"
#include "xfed/text.h"

#define TESTS_MAX     4
#define NO_ERROR_MS   10000 /* so long an error is waited for at most, from when the partner's server had it */
#define OUTCOME_MS    90000 /* ... which shows before that, or it is given up */
#define SCRATCH_BYTES 65536

enum waits_for { WAITS_OUTCOME, WAITS_END, WAITS_GATE, WAITS_NOTHING };

struct test {
	struct test *prev, *next;
	struct admin *admin;
	struct rt_reply reply;
	enum explain_kind kind; /* MESSAGE, or SUBSCRIPTION: a test of presence */
	enum waits_for waits_for;
	uint64_t started_ms, taken_ms, wait_ms;
	bool has_trial, is_asking; /* an edge; it must not be freed */
	bool is_stopped;	   /* nobody is to be waited for any more */
	bool is_accepted, has_no_error, is_answered, is_returned, is_approved, is_shown, has_problem;
	const char *gate; /* the closed one it failed at; NULL: none is known */
	json_t *steps;
	struct xfed_span from, to; /* bare; in the text behind */
	union {
		struct im_trial im;
		struct presence_trial presence;
	} trial;
	char text[];
};

static struct test *of_im(struct im_trial *t)
{
	return (struct test *)((char *)t - offsetof(struct test, trial.im));
}

static struct test *of_presence(struct presence_trial *t)
{
	return (struct test *)((char *)t - offsetof(struct test, trial.presence));
}

/* ---- steps ---- */

static void add(struct test *t, const char *step, const char *state, enum xfed_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void add(struct test *t, const char *step, const char *state, enum xfed_reason reason, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	uint64_t at_ms = core_now(t->admin->core) - t->started_ms;
	json_t *j = json_pack(
		"{s:I, s:s, s:s, s:o}", "at_ms", (json_int_t)at_ms, "step", step, "state", state, "text", rt_control_text(xfed_span_str(text)));
	rt_control_set_reason(j, reason);
	t->has_problem = t->has_problem || strcmp(state, "problem") == 0;
	json_array_append(t->steps, j);
	rt_reply_part(t->reply, j);
}

#define OK(step, ...)		   add(t, step, "ok", XFED_REASON_NONE, __VA_ARGS__)
#define PROBLEM(step, reason, ...) add(t, step, "problem", reason, __VA_ARGS__)
/* What is missing is wrong where it was to be waited for. */
#define MISSING(step, ...) add(t, step, t->wait_ms > 0 ? "problem" : "note", XFED_REASON_NONE, __VA_ARGS__)

/* ---- the end ---- */

static void leave(struct test *t)
{
	if (!t->has_trial) {
		return;
	}
	t->has_trial = false;
	if (t->kind == EXPLAIN_OF_MESSAGE) {
		im_leave(t->admin->im, &t->trial.im);
	} else if (presence_leave(t->admin->presence, &t->trial.presence)) {
		OK("taken-back", "nothing is left of it: %s", t->is_approved ? "the contact is removed again" : "it is not asked for any more");
	}
}

static json_t *result(struct test *t)
{
	bool is_im = t->kind == EXPLAIN_OF_MESSAGE, is_heard = t->is_answered || t->is_returned;
	json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:I, s:O, s:b, s:b, s:b, s:s}", "kind", is_im ? "im" : "presence", "from", t->from.data, "to",
		t->to.data, "ok", !t->has_problem, "took_ms", (json_int_t)(core_now(t->admin->core) - t->started_ms), "steps", t->steps, "accepted",
		t->is_accepted, "no_error", t->has_no_error, "answered", t->is_answered, "inbound", is_heard ? "proved" : "not-tested");
	if (j && !is_im) {
		json_object_set_new(j, "approved", json_boolean(t->is_approved));
		json_object_set_new(j, "shown", json_boolean(t->is_shown));
	}
	if (j && t->gate) {
		json_object_set_new(j, "gate", json_string(t->gate));
	}
	return j;
}

static void finish(struct test *t)
{
	leave(t);
	DL_DELETE(t->admin->tests, t);
	rt_reply_ok(t->reply, result(t));
	json_decref(t->steps);
	xfed_free(t);
}

static void be_over(struct test *t)
{
	t->waits_for = WAITS_NOTHING;
	core_flush_soon(t->admin->core);
}

/* The edges have said what they know; false: nobody waits for it any more, and the test is gone. */
static bool has_been_told(struct test *t)
{
	t->is_asking = false;
	core_flush_soon(t->admin->core);
	if (t->is_stopped) {
		finish(t);
		return false;
	}
	return true;
}

/* ---- what comes of it ---- */

static const struct explain_edge *ready_edge(const struct explain_facts *f)
{
	for (size_t i = 0; f && i < f->edge_count; i++) {
		if (f->edges[i].has_answered && f->edges[i].is_ready) {
			return &f->edges[i];
		}
	}
	return NULL;
}

static void on_taken_facts(void *user, const struct explain_facts *f)
{
	struct test *t = user;
	const struct explain_edge *e = ready_edge(f);
	if (!has_been_told(t)) {
		return;
	}
	OK("accepted", "%s%s%s",
		e && e->has_acks
			? "the partner's server has acknowledged it"
			: "it was written to the partner's server, which acknowledges nothing: only that no error comes shows that it was taken",
		e ? ", over " : "", e ? e->name : "");
}

static void taken(struct test *t)
{
	if (t->waits_for == WAITS_OUTCOME) {
		t->waits_for = WAITS_END;
		t->taken_ms = core_now(t->admin->core);
		t->is_accepted = true;
		t->is_asking = true;
		explain_ask(t->admin, t->from.data, t->to.data, on_taken_facts, t);
	}
}

static void on_gate_facts(void *user, const struct explain_facts *f)
{
	struct test *t = user;
	struct explain_gate gates[EXPLAIN_GATE_COUNT];
	enum explain_gate_id closed = f ? explain_gates(f, t->kind, gates) : EXPLAIN_GATE_COUNT;
	if (!has_been_told(t)) {
		return;
	}
	if (closed != EXPLAIN_GATE_COUNT) {
		t->gate = explain_gate_name(closed);
		PROBLEM("gate", gates[closed].reason, "%s is closed: %s", t->gate, gates[closed].text);
	} else {
		add(t, "gate", "note", XFED_REASON_NONE, "no gate is closed now, as explain tells them");
	}
	be_over(t);
}

/* What failed behind the partner's server is no gate of ours. */
static void failed(struct test *t, enum xfed_reason reason, const char *text)
{
	if (t->waits_for == WAITS_NOTHING || t->waits_for == WAITS_GATE) {
		return;
	}
	PROBLEM("failed", reason, "%s%s%s%s", t->is_accepted ? "an error came from the partner: " : "", xfed_reason_code(reason), text[0] ? ", " : "",
		text);
	if (t->is_accepted) {
		t->is_returned = strcmp(text, "remote-server-timeout") != 0; /* that one an edge may have said */
		be_over(t);
		return;
	}
	t->waits_for = WAITS_GATE;
	t->is_asking = true;
	explain_ask(t->admin, t->from.data, t->to.data, on_gate_facts, t);
}

static void on_im_taken(struct im_trial *trial)
{
	taken(of_im(trial));
}

static void on_im_ended(struct im_trial *trial, enum xfed_reason reason, const char *text)
{
	struct test *t = of_im(trial);
	if (reason != XFED_REASON_NONE) {
		failed(t, reason, text);
	}
}

static void on_im_heard(struct im_trial *trial)
{
	struct test *t = of_im(trial);
	if (!t->is_answered) {
		t->is_answered = true;
		OK("answered", "a message of %s has come in", t->to.data);
		core_flush_soon(t->admin->core);
	}
}

static void on_presence_taken(struct presence_trial *trial)
{
	taken(of_presence(trial));
}

static void on_presence_failed(struct presence_trial *trial, enum xfed_reason reason, const char *text)
{
	failed(of_presence(trial), reason, text);
}

static void on_presence_heard(struct presence_trial *trial, enum presence_heard what)
{
	struct test *t = of_presence(trial);
	bool is_shown = what == PRESENCE_HEARD_ONLINE || what == PRESENCE_HEARD_OFFLINE;
	t->is_answered = true;
	if (what == PRESENCE_HEARD_REFUSED) {
		PROBLEM("refused", XFED_REASON_PRESENCE_APPROVAL_MISSING, "%s, or its server, does not let %s see it", t->to.data, t->from.data);
		be_over(t);
	} else if (what == PRESENCE_HEARD_APPROVED && !t->is_approved) {
		t->is_approved = true;
		OK("approved", "%s has let %s see it", t->to.data, t->from.data);
	} else if (is_shown && !t->is_shown) {
		t->is_shown = true;
		OK("shown", "%s is %s", t->to.data, what == PRESENCE_HEARD_ONLINE ? "online" : "offline");
	}
	core_flush_soon(t->admin->core);
}

/* ---- time ---- */

/* All is proved that can be. */
static bool is_proved(const struct test *t)
{
	if (t->kind == EXPLAIN_OF_MESSAGE) {
		return t->is_answered;
	}
	return t->is_shown && (t->is_approved || t->trial.presence.may_see);
}

static void say_what_is_missing(struct test *t)
{
	unsigned long long waited_s = (unsigned long long)((core_now(t->admin->core) - t->started_ms) / 1000);
	if (t->kind == EXPLAIN_OF_MESSAGE) {
		MISSING("answered", "nobody has answered within %llu s", waited_s);
	} else if (t->is_approved || t->trial.presence.may_see) {
		MISSING("shown", "no presence came within %llu s", waited_s);
	} else {
		MISSING("waiting", "%s was asked, and has not answered within %llu s: it waits for approval", t->to.data, waited_s);
	}
}

/* The partner's server has it, and no error has come. */
static void look_at_time(struct test *t, uint64_t now)
{
	uint64_t bound_ms = t->wait_ms > 0 && t->wait_ms < NO_ERROR_MS ? t->wait_ms : NO_ERROR_MS;
	if (!t->has_no_error && now - t->taken_ms >= bound_ms) {
		t->has_no_error = true;
		OK("no-error", "no error came within %d s", (int)(bound_ms / 1000));
	}
	if (is_proved(t)) {
		be_over(t);
	} else if (t->has_no_error && now - t->started_ms >= t->wait_ms) {
		say_what_is_missing(t);
		be_over(t);
	}
}

static void step(struct test *t)
{
	uint64_t now = core_now(t->admin->core);
	if (t->is_asking) {
		return;
	}
	if (t->waits_for == WAITS_END) {
		look_at_time(t, now);
	} else if (t->waits_for == WAITS_OUTCOME && now - t->started_ms >= OUTCOME_MS) {
		failed(t, XFED_REASON_DELIVERY_DEADLINE, "");
	}
	if (t->waits_for == WAITS_NOTHING && !t->is_asking) {
		finish(t);
	}
}

void admin_flush(struct admin *ad)
{
	struct test *t, *next;
	DL_FOREACH_SAFE(ad->tests, t, next) {
		step(t);
	}
}

/* An edge that is being asked answers, or is known not to, before the loop is gone. */
void admin_drain(struct admin *ad)
{
	struct test *t;
	DL_FOREACH(ad->tests, t) {
		if (!t->is_stopped) {
			t->is_stopped = true;
			PROBLEM("stopped", XFED_REASON_SERVICE_LEAVING, "the gateway goes out of service");
			leave(t);
			be_over(t);
		}
	}
}

void admin_stop(struct admin *ad)
{
	admin_drain(ad);
	admin_flush(ad);
	writer_stop(&ad->errands);
}

/* ---- the beginning ---- */

struct ends {
	struct xfed_arena a;
	struct xfed_jid from, to;
};

static const char *test_user(const struct config *c)
{
	for (size_t i = 0; i < c->domains.count; i++) {
		if (c->domains.items[i].test_user) {
			return c->domains.items[i].test_user;
		}
	}
	return NULL;
}

/* False: it has been refused. */
static bool read_ends(const struct admin *ad, struct rt_reply reply, const json_t *args, struct ends *e)
{
	const struct config *c = policy_config(ad->policy);
	const char *to = json_string_value(json_object_get(args, "to")), *from = json_string_value(json_object_get(args, "from"));
	from = from ? from : test_user(c);
	if (!from) {
		rt_reply_fail(reply, "bad-request", "who sends it? Name a user of ours by from=, or set domains[].test_user");
		return false;
	}
	if (!address_of_user(ad, reply, &e->a, from, &e->from)) {
		return false;
	}
	if (address_read(&e->a, to, &e->to) != XFED_OK || e->to.local.len == 0) {
		rt_reply_fail(reply, "bad-request", "%.200s is no address of a user", to);
		return false;
	}
	return true;
}

static struct test *test_new(struct admin *ad, struct rt_reply reply, enum explain_kind kind, struct ends *e)
{
	struct xfed_span from = xfed_jid_bare(&e->a, &e->from), to = xfed_jid_bare(&e->a, &e->to);
	struct test *t = from.data && to.data ? xfed_calloc(1, sizeof(*t) + from.len + to.len + 2) : NULL;
	json_t *steps = json_array();
	if (!t || !steps) {
		json_decref(steps);
		xfed_free(t);
		return NULL;
	}
	char *at = t->text;
	t->admin = ad;
	t->reply = reply;
	t->kind = kind;
	t->steps = steps;
	t->started_ms = core_now(ad->core);
	t->from = xfed_span_put(&at, from);
	t->to = xfed_span_put(&at, to);
	DL_APPEND(ad->tests, t);
	return t;
}

static void begin_im(struct test *t)
{
	static const char words[] =
		"This is a test of the way between our servers, sent by an administrator (xfedctl test im). Any answer helps: it shows that "
		"the way back works.";
	t->trial.im = (struct im_trial){
		.local = t->from, .remote = t->to, .hold_ms = NO_ERROR_MS, .taken = on_im_taken, .ended = on_im_ended, .heard = on_im_heard
	};
	int rc = im_try(t->admin->im, &t->trial.im, xfed_span_str(words));
	t->has_trial = rc == XFED_OK;
	OK("sent", "a message from %s to %s", t->from.data, t->to.data);
	if (rc != XFED_OK) {
		failed(t, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_SIP_ADDRESS_UNMAPPABLE, "");
	}
}

static void begin_presence(struct test *t)
{
	struct presence_trial *p = &t->trial.presence;
	*p = (struct presence_trial){
		.local = t->from, .remote = t->to, .taken = on_presence_taken, .failed = on_presence_failed, .heard = on_presence_heard
	};
	enum xfed_reason reason = presence_try(t->admin->presence, p);
	t->has_trial = reason == XFED_REASON_NONE;
	if (t->has_trial && p->may_see) {
		OK("sent", "%s may see %s already, whose server is asked to say again what it knows", t->from.data, t->to.data);
	} else {
		OK("sent", "%s asks to see %s%s", t->from.data, t->to.data, p->is_asked ? ", again" : "");
	}
	if (reason != XFED_REASON_NONE) {
		failed(t, reason, "");
	}
}

static void begin(struct admin *ad, struct rt_reply reply, const json_t *args, enum explain_kind kind)
{
	struct ends e = { 0 };
	struct test *t = NULL, *other;
	size_t count;
	json_int_t wait_s = json_integer_value(json_object_get(args, "wait"));
	DL_COUNT(ad->tests, other, count);
	if (wait_s > 600) {
		rt_reply_fail(reply, "bad-request", "wait is a number: seconds, from 1 to 600");
		return;
	}
	if (count >= TESTS_MAX || ad->is_leaving(ad->service_user)) {
		rt_reply_fail(reply, "busy",
			count >= TESTS_MAX ? "%d tests are under way: try again when one has ended" : "the gateway goes out of service", TESTS_MAX);
		return;
	}
	xfed_arena_init(&e.a, SCRATCH_BYTES);
	if (read_ends(ad, reply, args, &e)) {
		t = test_new(ad, reply, kind, &e);
		if (!t) {
			rt_reply_fail(reply, "failed", "out of memory");
		}
	}
	xfed_arena_deinit(&e.a);
	if (t) {
		t->wait_ms = (uint64_t)wait_s * 1000;
		(kind == EXPLAIN_OF_MESSAGE ? begin_im : begin_presence)(t);
		core_flush_soon(ad->core);
	}
}

void command_test_im(struct rt_reply reply, const json_t *args, void *user)
{
	begin(user, reply, args, EXPLAIN_OF_MESSAGE);
}

void command_test_presence(struct rt_reply reply, const json_t *args, void *user)
{
	begin(user, reply, args, EXPLAIN_OF_SUBSCRIPTION);
}
