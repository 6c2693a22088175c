/*
 * The journal of failed attempts: what is kept, folded, forgotten, written, found again and shown,
 * with a store in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/journal_impl.h"
#include "proto/check.h"
#include "store/store_impl.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/reason.h"

#define NOW  1800000000 /* seconds */
#define EDGE XFED_SPAN("edge1")
#define DAY  86400

/* ---- helpers ---- */

static char *text(const char *s)
{
	return (char *)(uintptr_t)s; /* generated messages hold plain pointers; nothing is written to */
}

static Xfed__FailureEvent event(const char *remote, const char *reason, const char *words)
{
	Xfed__FailureEvent m = XFED__FAILURE_EVENT__INIT;
	m.at_s = NOW;
	m.direction = XFED__DIRECTION__DIRECTION_OUT;
	m.local = text("example.com");
	m.remote = text(remote);
	m.reason = text(reason);
	m.side = text("partner");
	m.text = text(words);
	return m;
}

static struct ring *make(size_t rows, size_t ring_rows)
{
	struct ring_limits limits = { .rows = rows, .ring_rows = ring_rows };
	struct ring *j;
	assert_int_equal(ring_new(&limits, &j), XFED_OK);
	return j;
}

static void add(struct ring *j, const char *remote, const char *words, int64_t now_s, uint64_t now_ms)
{
	Xfed__FailureEvent m = event(remote, "net.connect.refused", words);
	m.at_s = now_s;
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, now_s, now_ms), XFED_OK);
}

/* Failures that are all different. */
static void add_many(struct ring *j, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		char words[32];
		snprintf(words, sizeof(words), "attempt %zu", i);
		add(j, i % 2 ? "odd.example" : "even.example", words, NOW + (int64_t)i, 1000 * i);
	}
}

/* The real store, in memory, that refuses when it is told to. */
static struct {
	const char *writes, *reads;	    /* words; NULL: it does not refuse */
	uint64_t id;			    /* refused are rows of this id alone; 0: all */
	const struct store_failure *damage; /* what is set in it comes back instead of what was put in */
} refusal;

static int say_no(const char *words, char error[256])
{
	snprintf(error, 256, "%s", words);
	return XFED_ERR_LIBRARY;
}

static int write_row(void *db, const struct store_write *w, char error[256])
{
	bool is_meant = refusal.id == 0 || (w->kind == STORE_WRITE_FAILURE && w->failure.id == refusal.id);
	return refusal.writes && is_meant ? say_no(refusal.writes, error) : store_sqlite.write(db, w, error);
}

struct damaging {
	store_row_fn *fn;
	void *user;
};

static int give_row(void *user, const struct store_failure *f)
{
	const struct damaging *d = user;
	struct store_failure copy = *f;
	if (refusal.damage) {
		copy.detail = refusal.damage->detail.data ? refusal.damage->detail : f->detail;
		copy.remote = refusal.damage->remote.data ? refusal.damage->remote : f->remote;
		copy.text = refusal.damage->text.data ? refusal.damage->text : f->text;
	}
	return d->fn(d->user, &copy);
}

static int find_rows(void *db, const struct store_question *q, store_row_fn *fn, void *user, char error[256])
{
	struct damaging d = { fn, user };
	return refusal.reads ? say_no(refusal.reads, error) : store_sqlite.find(db, q, give_row, &d, error);
}

static void fill_random(void *user, void *out, size_t len)
{
	memset(out, 7, len);
}

static int64_t read_wall(void *user)
{
	return NOW;
}

static struct store *open_db(void)
{
	static const struct xfed_env env = { .random = fill_random, .wall_s = read_wall };
	static struct store_backend backend;
	struct store *s;
	char error[256];
	memset(&refusal, 0, sizeof(refusal));
	backend = store_sqlite;
	backend.write = write_row;
	backend.find = find_rows;
	if (store_open_with(&backend, ":memory:", &env, &s, error) != XFED_OK) {
		fail_msg("%s", error);
	}
	return s;
}

/* What the store holds. */
struct held_rows {
	size_t count;
	uint64_t least_id, repeats; /* the last two of the oldest row */
	int64_t last_s;
};

static int look(void *user, const struct store_failure *f)
{
	struct held_rows *h = user;
	h->count++;
	h->least_id = f->id;
	h->repeats = f->count;
	h->last_s = f->last_s;
	return XFED_OK;
}

static struct held_rows held_rows(struct store *s)
{
	struct held_rows h = { 0 };
	char error[256];
	assert_int_equal(store_load_failures(s, &(struct store_question){ .since_s = INT64_MIN, .limit = SIZE_MAX }, look, &h, error), XFED_OK);
	return h;
}

static void nothing(struct store_batch *b)
{
	(void)b; /* no thread: it has run when store_submit() returns */
}

static int run_job(struct ring *j, struct store *db, const struct journal_question *q, int64_t now_s, json_t **answer, char error[256])
{
	struct ring_batch *job;
	assert_int_equal(ring_batch_new(j, q, now_s, nothing, &job), XFED_OK);
	store_submit(db, &job->store);
	return ring_batch_end(j, job, 0, answer, error);
}

static void flush(struct ring *j, struct store *db, int64_t now_s)
{
	json_t *answer;
	char error[256];
	assert_int_equal(run_job(j, db, NULL, now_s, &answer, error), XFED_OK);
	assert_string_equal(error, "");
	assert_null(answer);
}

/* From memory where that is enough, else from the store; `*was_stored` says which. */
static json_t *ask(struct ring *j, struct store *db, const struct journal_question *q, int64_t now_s, bool *was_stored)
{
	json_t *answer = NULL;
	char error[256];
	int rc = ring_ask(j, q, now_s, &answer);
	*was_stored = rc == XFED_ERR_AGAIN;
	if (*was_stored) {
		assert_null(answer);
		rc = run_job(j, db, q, now_s, &answer, error);
		assert_string_equal(error, "");
	}
	if (rc == XFED_ERR_NOT_FOUND) {
		return NULL;
	}
	assert_int_equal(rc, XFED_OK);
	assert_non_null(answer);
	return answer;
}

/* "12x1 11x3 next 11": ids and counts of a page. */
static const char *page(const json_t *answer, char out[1024])
{
	size_t i, len = 0;
	json_t *f;
	out[0] = '\0';
	json_array_foreach(json_object_get(answer, "failures"), i, f) {
		len += (size_t)snprintf(out + len, 1024 - len, "%s%dx%d", i > 0 ? " " : "", (int)json_integer_value(json_object_get(f, "id")),
			(int)json_integer_value(json_object_get(f, "count")));
	}
	if (json_object_get(answer, "next")) {
		snprintf(out + len, 1024 - len, " next %d", (int)json_integer_value(json_object_get(answer, "next")));
	}
	return out;
}

static void expect_page(const char *row, struct ring *j, struct store *db, struct journal_question q, int64_t now_s, bool stored, const char *want)
{
	char got[1024];
	bool was_stored;
	q.limit = q.limit ? q.limit : JOURNAL_LIST_DEFAULT;
	json_t *answer = ask(j, db, &q, now_s, &was_stored);
	if (strcmp(page(answer, got), want) != 0 || was_stored != stored) {
		fail_msg("%s: \"%s\" from %s, not \"%s\"", row, got, was_stored ? "the store" : "memory", want);
	}
	json_decref(answer);
}

static void expect_json(json_t *got, const char *want)
{
	json_error_t e;
	json_t *expected = json_loads(want, 0, &e);
	if (!expected) {
		fail_msg("the test's JSON, line %d: %s", e.line, e.text);
	}
	if (!json_equal(got, expected)) {
		char *dump = json_dumps(got, JSON_INDENT(1) | JSON_SORT_KEYS);
		fail_msg("got %s", dump);
		free(dump);
	}
	json_decref(expected);
}

/* ---- what is shown ---- */

static Xfed__Step steps[] = {
	{ PROTOBUF_C_MESSAGE_INIT(&xfed__step__descriptor), .at_ms = 0, .step = (char *)(uintptr_t) "dns", .ok = 1,
		.detail = (char *)(uintptr_t) "SRV xmpp.fabrikam.example:5269" },
	{ PROTOBUF_C_MESSAGE_INIT(&xfed__step__descriptor), .at_ms = 12, .step = (char *)(uintptr_t) "tcp", .ok = 1,
		.detail = (char *)(uintptr_t) "" },
	{ PROTOBUF_C_MESSAGE_INIT(&xfed__step__descriptor), .at_ms = 81, .step = (char *)(uintptr_t) "certificate", .ok = 0,
		.detail = (char *)(uintptr_t) "expired on 2026-01-01" },
};
static Xfed__Step *step_list[] = { &steps[0], &steps[1], &steps[2] };
static Xfed__Field fact = { PROTOBUF_C_MESSAGE_INIT(&xfed__field__descriptor), .name = (char *)(uintptr_t) "peer_address",
	.value = (char *)(uintptr_t) "192.0.2.5:5269" };
static Xfed__Field *fact_list[] = { &fact };
static char *cert_names[] = { (char *)(uintptr_t) "dns:fabrikam.example", (char *)(uintptr_t) "xmpp:fabrikam.example" };
static Xfed__Certificate cert = { PROTOBUF_C_MESSAGE_INIT(&xfed__certificate__descriptor), .subject = (char *)(uintptr_t) "CN=fabrikam.example",
	.issuer = (char *)(uintptr_t) "CN=Test CA", .serial_hex = (char *)(uintptr_t) "0a1b", .sha256_hex = (char *)(uintptr_t) "00ff",
	.not_before_s = 1700000000, .not_after_s = 1790000000, .eku = 1 | 2, .n_names = 2, .names = cert_names };
static Xfed__Certificate *chain[] = { &cert };

static Xfed__FailureEvent whole_event(void)
{
	Xfed__FailureEvent m = event("Fabrikam.EXAMPLE", "tls.cert.expired", "handshake refused");
	m.steps = step_list;
	m.n_steps = 3;
	m.facts = fact_list;
	m.n_facts = 1;
	m.chain = chain;
	m.n_chain = 1;
	m.correlation = text("e1-7d");
	m.repeated_count = 2;
	return m;
}

static const char whole_json[] = "{\"id\": 1, \"at\": 1800000000, \"last\": 1800000000, \"count\": 3, \"edge\": \"edge1\", "
				 "\"direction\": \"out\","
				 " \"local\": \"example.com\", \"remote\": \"fabrikam.example\", \"reason\": "
				 "\"tls.cert.expired\", \"side\": \"partner\","
				 " \"text\": \"handshake refused\", \"correlation\": \"e1-7d\","
				 " \"remedy\": \"The partner's certificate, or one of its chain, has expired: the partner "
				 "has to renew it. If it has not expired by the dates shown, the clock of our host is ahead.\","
				 " \"steps\": [{\"at_ms\": 0, \"step\": \"dns\", \"ok\": true, \"detail\": \"SRV "
				 "xmpp.fabrikam.example:5269\"},"
				 "  {\"at_ms\": 12, \"step\": \"tcp\", \"ok\": true},"
				 "  {\"at_ms\": 81, \"step\": \"certificate\", \"ok\": false, \"detail\": \"expired on "
				 "2026-01-01\"}],"
				 " \"facts\": [{\"name\": \"peer_address\", \"value\": \"192.0.2.5:5269\"}],"
				 " \"chain\": [{\"subject\": \"CN=fabrikam.example\", \"issuer\": \"CN=Test CA\", "
				 "\"serial\": \"0a1b\", \"sha256\": \"00ff\","
				 "  \"not_before\": 1700000000, \"not_after\": 1790000000, \"eku\": [\"serverAuth\", "
				 "\"clientAuth\"],"
				 "  \"names\": [\"dns:fabrikam.example\", \"xmpp:fabrikam.example\"]}]}";

/* Steps, reason, side, remedy and chain, the same from memory and from the store. */
static void one_is_shown_whole(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 1);
	struct journal_question q = { .id = 1 };
	Xfed__FailureEvent m = whole_event();
	bool was_stored;
	(void)state;
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 5), XFED_OK);
	json_t *f = ask(j, db, &q, NOW, &was_stored);
	assert_false(was_stored);
	expect_json(f, whole_json);
	json_decref(f);
	flush(j, db, NOW);
	add(j, "b.example", "pushes it out of memory", NOW, 10);
	f = ask(j, db, &q, NOW, &was_stored);
	assert_true(was_stored);
	expect_json(f, whole_json);
	json_decref(f);
	ring_free(j);
	store_close(db);
}

static void the_list_is_the_same_without_detail(void **state)
{
	struct ring *j = make(0, 0);
	struct journal_question q = { .limit = 10 };
	Xfed__FailureEvent m = event("a.example", "from.a.newer.edge", "");
	json_t *answer;
	(void)state;
	m.direction = XFED__DIRECTION__DIRECTION_IN;
	m.side = text("us");
	assert_int_equal(ring_add(j, XFED_SPAN(""), XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	assert_int_equal(ring_ask(j, &q, NOW, &answer), XFED_OK);
	/* Nothing is said where nothing is known: no edge, no correlation. A reason that is none of ours is said, and is no key. */
	expect_json(answer, "{\"failures\": [{\"id\": 1, \"at\": 1800000000, \"last\": 1800000000, "
			    "\"count\": 1, \"direction\": \"in\","
			    " \"local\": \"example.com\", \"remote\": \"a.example\", \"reason\": "
			    "\"channel.reason.unknown\", \"side\": \"us\", \"text\": \"from.a.newer.edge\", \"remedy\": \"The other "
			    "service gave a reason that this version does not know: it is newer, or not what it should be; compare both "
			    "versions.\"}]}");
	json_decref(answer);
	ring_free(j);
}

/* Every reason there is has a remedy in the answer. */
static void every_reason_has_its_remedy(void **state)
{
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const struct xfed_reason_info *info = xfed_reason_info((enum xfed_reason)r);
		struct ring *j = make(0, 0);
		struct journal_question q = { .id = 1 };
		Xfed__FailureEvent m = event("a.example", info->code, "");
		json_t *f;
		assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
		assert_int_equal(ring_ask(j, &q, NOW, &f), XFED_OK);
		assert_string_equal(json_string_value(json_object_get(f, "remedy")), info->remedy);
		json_decref(f);
		ring_free(j);
	}
}

/* ---- folding ---- */

struct variant {
	const char *row;
	const char *edge, *local, *remote, *reason, *side, *words, *correlation;
	Xfed__Direction direction;
	bool is_same;
};

#define BASE "edge1", "example.com", "a.example", "net.connect.refused", "partner", "no", "c1"
#define OUT  XFED__DIRECTION__DIRECTION_OUT

static const struct variant variants[] = {
	{ "the same", BASE, OUT, true },
	{ "another correlation", "edge1", "example.com", "a.example", "net.connect.refused", "partner", "no", "c2", OUT, true },
	{ "upper case", "edge1", "example.com", "A.Example", "net.connect.refused", "partner", "no", "c1", OUT, true },
	{ "another edge", "edge2", "example.com", "a.example", "net.connect.refused", "partner", "no", "c1", OUT, false },
	{ "another local", "edge1", "example.org", "a.example", "net.connect.refused", "partner", "no", "c1", OUT, false },
	{ "another remote", "edge1", "example.com", "b.example", "net.connect.refused", "partner", "no", "c1", OUT, false },
	{ "another reason", "edge1", "example.com", "a.example", "net.connect.timeout", "partner", "no", "c1", OUT, false },
	{ "another side", "edge1", "example.com", "a.example", "net.connect.refused", "us", "no", "c1", OUT, false },
	{ "another text", "edge1", "example.com", "a.example", "net.connect.refused", "partner", "nein", "c1", OUT, false },
	{ "another direction", BASE, XFED__DIRECTION__DIRECTION_IN, false },
	{ "two texts that join to the same", "edge1", "example.coma.example", "", "net.connect.refused", "partner", "no", "c1", OUT, false },
};

static void add_variant(struct ring *j, const struct variant *v, uint64_t now_ms)
{
	Xfed__FailureEvent m = event(v->remote, v->reason, v->words);
	m.local = text(v->local);
	m.side = text(v->side);
	m.correlation = text(v->correlation);
	m.direction = v->direction;
	assert_int_equal(ring_add(j, xfed_span_str(v->edge), XFED_SPAN("a.example"), &m, NOW, now_ms), XFED_OK);
}

static void identical_failures_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(variants); i++) {
		struct ring *j = make(0, 0);
		add_variant(j, &variants[0], 1000);
		add_variant(j, &variants[i], 2000);
		expect_page(variants[i].row, j, NULL, (struct journal_question){ 0 }, NOW, false, variants[i].is_same ? "1x2" : "2x1 1x1");
		ring_free(j);
	}
}

static void only_within_a_minute_of_the_first(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 0);
	(void)state;
	add(j, "a.example", "no", NOW, 0);
	add(j, "b.example", "no", NOW + 1, 1000);
	add(j, "a.example", "no", NOW + 59, 59999);
	expect_page("at 59.999 s", j, NULL, (struct journal_question){ 0 }, NOW, false, "2x1 1x2");
	add(j, "a.example", "no", NOW + 60, 60000);
	expect_page("at 60 s", j, NULL, (struct journal_question){ 0 }, NOW, false, "3x1 2x1 1x2");
	add(j, "b.example", "no", NOW + 60, 60500);
	add(j, "a.example", "no", NOW + 61, 61000);
	expect_page("each has its own minute", j, NULL, (struct journal_question){ 0 }, NOW, false, "3x2 2x2 1x2");
	/* And the times are those of the first and the last. */
	struct journal_question q = { .id = 1 };
	bool was_stored;
	json_t *f = ask(j, db, &q, NOW, &was_stored);
	assert_int_equal(json_integer_value(json_object_get(f, "at")), NOW);
	assert_int_equal(json_integer_value(json_object_get(f, "last")), NOW + 59);
	json_decref(f);
	ring_free(j);
	store_close(db);
}

static void repetitions_the_edge_left_out_count(void **state)
{
	struct ring *j = make(0, 0);
	Xfed__FailureEvent m = event("a.example", "net.connect.refused", "no");
	(void)state;
	m.repeated_count = 4;
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	m.repeated_count = UINT32_MAX;
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 1), XFED_OK);
	json_t *f;
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW, &f), XFED_OK);
	assert_int_equal(json_integer_value(json_object_get(f, "count")), 5 + 1 + (json_int_t)UINT32_MAX);
	json_decref(f);
	ring_free(j);
}

/* A peer that is refused a thousand times a second (jabberd2 does that) costs one row a minute. */
static void a_storm_is_one_row(void **state)
{
	struct ring *j = make(0, 0);
	(void)state;
	for (uint64_t i = 0; i < 50000; i++) {
		add(j, "a.example", "no", NOW, i);
	}
	expect_page("storm", j, NULL, (struct journal_question){ 0 }, NOW, false, "1x50000");
	assert_int_equal(j->rows, 1);
	ring_free(j);
}

/* ---- strangers ---- */

static void stranger(struct ring *j, const char *edge, const char *network, const char *listed, const char *claims, int64_t now_s)
{
	Xfed__FailureEvent m = event(claims, "policy.partner.unlisted", "no");
	m.direction = XFED__DIRECTION__DIRECTION_IN;
	m.at_s = now_s;
	assert_int_equal(ring_add_stranger(j, xfed_span_str(edge), xfed_span_str(network), xfed_span_str(listed), &m, now_s), XFED_OK);
}

static json_t *page_of(struct ring *j, const char *partner, size_t limit, size_t *strangers)
{
	struct journal_question q = { .limit = limit };
	json_t *answer, *f;
	size_t i;
	snprintf(q.partner, sizeof(q.partner), "%s", partner);
	assert_int_equal(ring_ask(j, &q, NOW + DAY, &answer), XFED_OK);
	*strangers = 0;
	json_array_foreach(json_object_get(answer, "failures"), i, f) {
		*strangers += json_is_false(json_object_get(f, "proved"));
	}
	return answer;
}

/* Whatever they do, what was there before them is there after them, in memory and in the store. */
static void strangers_push_out_nothing(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(20, 10);
	char name[64], network[64];
	size_t strangers;
	(void)state;
	add_many(j, 0, 10);
	for (size_t i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "z%zu.attacker.example", i);
		snprintf(network, sizeof(network), "10.%zu.%zu.0/24", i / 256 % 256, i % 256);
		stranger(j, "edge1", i % 2 ? "192.0.2.0/24" : network, i % 3 ? "" : "a.example", i % 3 ? name : "a.example", NOW + 20);
	}
	assert_int_equal(j->rows, 10);
	assert_int_equal(j->lost, 0);
	assert_true(HASH_COUNT(j->strangers) <= XFED_JOURNAL_NETWORKS + XFED_JOURNAL_NAME_NETWORKS);
	flush(j, db, NOW + 20);
	assert_int_equal(held_rows(db).count, 10);
	json_t *answer = page_of(j, "", 100, &strangers);
	assert_int_equal(json_array_size(json_object_get(answer, "failures")), 10 + strangers);
	assert_int_equal(strangers, 26); /* a quarter of the page */
	json_decref(answer);
	answer = page_of(j, "odd.example", 100, &strangers);
	assert_int_equal(json_array_size(json_object_get(answer, "failures")), 5);
	assert_int_equal(strangers, 0);
	json_decref(answer);
	ring_free(j);
	store_close(db);
}

/* One entry a network and listed name: how many, since when, the last one whole, and what else was claimed. */
static void strangers_are_folded(void **state)
{
	struct ring *j = make(0, 0);
	json_t *answer, *f;
	size_t strangers;
	(void)state;
	for (int i = 0; i < 30; i++) {
		char name[32];
		snprintf(name, sizeof(name), "z%d.example", i);
		stranger(j, "edge1", "192.0.2.0/24", "", name, NOW + i);
	}
	stranger(j, "edge1", "192.0.2.0/24", "listed.example", "sub.listed.example", NOW + 40);
	stranger(j, "edge1", "192.0.2.0/24", "listed.example", "listed.example", NOW + 41);
	stranger(j, "edge1", "2001:db8::/64", "listed.example", "listed.example", NOW + 42);
	answer = page_of(j, "", 100, &strangers);
	assert_int_equal(strangers, 3);
	f = json_array_get(json_object_get(answer, "failures"), 2);
	assert_string_equal(json_string_value(json_object_get(f, "network")), "192.0.2.0/24");
	assert_int_equal(json_integer_value(json_object_get(f, "count")), 30);
	assert_int_equal(json_integer_value(json_object_get(f, "at")), NOW);
	assert_int_equal(json_integer_value(json_object_get(f, "last")), NOW + 29);
	assert_string_equal(json_string_value(json_object_get(f, "remote")), "z29.example");
	assert_int_equal(json_array_size(json_object_get(f, "names")), XFED_JOURNAL_CLAIMS);
	assert_string_equal(json_string_value(json_array_get(json_object_get(f, "names"), 0)), "z29.example");
	assert_string_equal(json_string_value(json_array_get(json_object_get(f, "names"), 7)), "z22.example");
	json_int_t id = json_integer_value(json_object_get(f, "id"));
	f = json_array_get(json_object_get(answer, "failures"), 1);
	assert_int_equal(json_integer_value(json_object_get(f, "count")), 2);
	json_decref(answer);
	/* By a name it has claimed, and by number. */
	answer = page_of(j, "sub.listed.example", 100, &strangers);
	assert_int_equal(strangers, 1);
	json_decref(answer);
	answer = page_of(j, "z25.example", 100, &strangers);
	assert_int_equal(strangers, 1);
	json_decref(answer);
	answer = page_of(j, "z3.example", 100, &strangers);
	assert_int_equal(strangers, 0); /* too many since */
	json_decref(answer);
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = (uint64_t)id }, NOW, &f), XFED_OK);
	assert_true(json_is_array(json_object_get(f, "steps")));
	assert_true(json_is_false(json_object_get(f, "proved")));
	json_decref(f);
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = JOURNAL_STRANGER_ID + 99 }, NOW, &f), XFED_ERR_NOT_FOUND);
	ring_free(j);
}

static size_t strangers_of(struct ring *j, const char *partner)
{
	size_t n;
	json_decref(page_of(j, partner, 100, &n));
	return n;
}

/* One network that claims every partner's name, and one edge that makes up networks, leave the others theirs. */
static void strangers_keep_their_places(void **state)
{
	struct ring *j = make(0, 0);
	char name[64];
	(void)state;
	stranger(j, "edge1", "198.51.100.0/24", "a.example", "a.example", NOW);
	stranger(j, "edge2", "198.51.100.0/24", "b.example", "b.example", NOW);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%zu.example", i);
		stranger(j, "edge1", "192.0.2.0/24", name, name, NOW + 1);
	}
	assert_int_equal(HASH_COUNT(j->strangers), 2 + 1000);
	assert_int_equal(strangers_of(j, "a.example"), 1);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "10.0.%zu.0/24", i);
		stranger(j, "edge1", name, "", "x.example", NOW + 2);
	}
	assert_int_equal(strangers_of(j, "b.example"), 1);
	assert_int_equal(strangers_of(j, "a.example"), 1); /* of the same edge */
	assert_int_equal(HASH_COUNT(j->strangers), 2 + 1000 + XFED_JOURNAL_NETWORKS);
	ring_free(j);
}

/* What came under a listed name goes for what came under that name alone, silent for longest first; and names have an end. */
static void a_listed_name_has_places_of_its_own(void **state)
{
	struct ring *j = make(0, 0);
	char name[64], network[64];
	(void)state;
	stranger(j, "edge1", "198.51.100.0/24", "partner.example", "partner.example", NOW);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%zu.example", i % 50);
		snprintf(network, sizeof(network), "10.0.%zu.0/24", i);
		stranger(j, "edge1", network, name, name, NOW + 1);
		stranger(j, "edge1", "198.51.100.0/24", name, name, NOW + 1);
	}
	assert_int_equal(strangers_of(j, "partner.example"), 1);
	assert_int_equal(strangers_of(j, "p1.example"), XFED_JOURNAL_NAME_NETWORKS);
	assert_int_equal(HASH_COUNT(j->strangers), 1 + 50 * XFED_JOURNAL_NAME_NETWORKS);
	for (size_t i = 0; i < XFED_JOURNAL_NAME_NETWORKS - 1; i++) {
		snprintf(network, sizeof(network), "10.1.%zu.0/24", i);
		stranger(j, "edge1", network, "partner.example", "partner.example", NOW + 2);
	}
	stranger(j, "edge1", "198.51.100.0/24", "partner.example", "sub.partner.example", NOW + 3); /* heard of again */
	stranger(j, "edge1", "10.1.99.0/24", "partner.example", "partner.example", NOW + 4);
	assert_int_equal(strangers_of(j, "sub.partner.example"), 1);
	assert_int_equal(strangers_of(j, "partner.example"), XFED_JOURNAL_NAME_NETWORKS);
	for (size_t i = 0; i < XFED_JOURNAL_NAMES + 10; i++) {
		snprintf(name, sizeof(name), "q%zu.example", i);
		stranger(j, "edge1", "192.0.2.0/24", name, name, NOW + 5);
	}
	assert_int_equal(HASH_COUNT(j->strangers), XFED_JOURNAL_NAMES);
	ring_free(j);
}

/* On a page too: strangers under made-up names, however new, leave half of the places to those under listed names. */
static void strangers_share_the_page(void **state)
{
	struct ring *j = make(0, 0);
	json_t *answer, *f;
	size_t strangers, i, listed = 0;
	json_int_t last = INT64_MAX;
	char network[64];
	(void)state;
	for (i = 0; i < 4; i++) {
		snprintf(network, sizeof(network), "10.1.%zu.0/24", i);
		stranger(j, "edge1", network, "partner.example", "partner.example", NOW + (int64_t)i);
	}
	for (i = 0; i < 64; i++) {
		snprintf(network, sizeof(network), "10.0.%zu.0/24", i);
		stranger(j, "edge1", network, "", "x.example", NOW + 100 + (int64_t)i);
	}
	answer = page_of(j, "", 20, &strangers);
	assert_int_equal(strangers, 6);
	json_array_foreach(json_object_get(answer, "failures"), i, f) {
		listed += strcmp(json_string_value(json_object_get(f, "remote")), "partner.example") == 0;
		assert_true(json_integer_value(json_object_get(f, "last")) <= last);
		last = json_integer_value(json_object_get(f, "last"));
	}
	assert_int_equal(listed, 3);
	json_decref(answer);
	ring_free(j);
}

/* Edges beyond those that have a place of their own share one: the others keep theirs. */
static void edges_have_an_end(void **state)
{
	struct ring *j = make(0, 0);
	char edge[32], network[64];
	(void)state;
	stranger(j, "edge0", "198.51.100.0/24", "", "first.example", NOW);
	for (size_t i = 1; i < 3 * XFED_JOURNAL_EDGES; i++) {
		snprintf(edge, sizeof(edge), "edge%zu", i);
		for (size_t k = 0; k < XFED_JOURNAL_NETWORKS; k++) {
			snprintf(network, sizeof(network), "10.0.%zu.0/24", k);
			stranger(j, edge, network, "", "x.example", NOW + 1);
		}
	}
	assert_int_equal(strangers_of(j, "first.example"), 1);
	assert_int_equal(HASH_COUNT(j->strangers), 1 + (XFED_JOURNAL_EDGES - 1) * XFED_JOURNAL_NETWORKS);
	ring_free(j);
}

/* An edge that floods us with failures of its own making has its share of rows; the rest is counted beside them. */
static void an_edge_has_its_share(void **state)
{
	struct ring *j = make(0, 0);
	char words[32];
	size_t strangers;
	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		snprintf(words, sizeof(words), "made up %zu", i);
		add(j, "a.example", words, NOW, 0);
	}
	Xfed__FailureEvent m = event("b.example", "net.connect.refused", "no");
	assert_int_equal(ring_add(j, XFED_SPAN("edge2"), XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	assert_int_equal(j->rows, JOURNAL_RING_ROWS);
	assert_int_equal(j->lost, 1); /* by edge2's */
	json_t *answer = page_of(j, "a.example", 10, &strangers), *f;
	size_t i;
	json_int_t count = 0;
	json_array_foreach(json_object_get(answer, "failures"), i, f) {
		count += json_is_false(json_object_get(f, "proved")) ? json_integer_value(json_object_get(f, "count")) : 0;
	}
	assert_int_equal(count, 20000 - XFED_JOURNAL_EDGE_ROWS);
	json_decref(answer);
	add(j, "a.example", "later", NOW + 1, XFED_JOURNAL_EDGE_MS);
	json_decref(page_of(j, "a.example", 10, &strangers));
	assert_int_equal(j->lost, 2);
	/* Beyond the share of the edge, and found all the same: under its own partner. */
	size_t apart = HASH_COUNT(j->strangers);
	m = event("real.example", "net.connect.refused", "the one that counts");
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("real.example"), &m, NOW + 1, XFED_JOURNAL_EDGE_MS), XFED_OK);
	for (size_t k = 0; k < 5000; k++) {
		snprintf(words, sizeof(words), "made up again %zu", k);
		add(j, "a.example", words, NOW + 1, XFED_JOURNAL_EDGE_MS);
	}
	assert_int_equal(HASH_COUNT(j->strangers), apart + 1); /* and the others, however many, have theirs */
	ring_free(j);
}

/* ---- lists ---- */

static void lists(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 5);
	(void)state;
	add_many(j, 1, 13); /* ids 1 to 12, odd ones odd.example; memory holds 8 to 12 */
	assert_int_equal(j->lost, 7);
	ring_free(j);
	j = make(0, 5);
	for (size_t i = 1; i < 13; i++) {
		add_many(j, i, i + 1);
		flush(j, db, NOW);
	}
	assert_int_equal(j->lost, 0);
	const struct {
		const char *row;
		struct journal_question q;
		bool stored;
		const char *want;
	} rows[] = {
		{ "a page that memory fills", { .limit = 5 }, false, "12x1 11x1 10x1 9x1 8x1 next 8" },
		{ "the page behind it", { .limit = 5, .before = 8 }, true, "7x1 6x1 5x1 4x1 3x1 next 3" },
		{ "the last page", { .limit = 5, .before = 3 }, true, "2x1 1x1" },
		{ "behind the last", { .limit = 5, .before = 1 }, true, "" },
		{ "across the edge of memory", { .limit = 4, .before = 10 }, true, "9x1 8x1 7x1 6x1 next 6" },
		{ "all", { 0 }, true, "12x1 11x1 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1 2x1 1x1" },
		{ "one partner from memory", { .partner = "even.example", .limit = 3 }, false, "12x1 10x1 8x1 next 8" },
		{ "one partner from the store", { .partner = "odd.example", .limit = 3 }, true, "11x1 9x1 7x1 next 7" },
		{ "an unknown partner", { .partner = "other.example" }, true, "" },
		{ "since, and memory goes back far enough", { .since_s = NOW + 9 }, false, "12x1 11x1 10x1 9x1" },
		{ "since the last that left memory", { .since_s = NOW + 7 }, true, "12x1 11x1 10x1 9x1 8x1 7x1" },
		{ "since, one partner, limit", { .since_s = NOW + 2, .partner = "even.example", .limit = 4 }, true, "12x1 10x1 8x1 6x1 next 6" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		expect_page(rows[i].row, j, db, rows[i].q, NOW + 20, rows[i].stored, rows[i].want);
	}
	ring_free(j);
	store_close(db);
}

static void paging_gives_every_row_once(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 16);
	struct journal_question q = { .limit = 7 };
	json_int_t want = 100;
	(void)state;
	for (size_t i = 1; i <= 100; i += 10) {
		add_many(j, i, i + 10);
		flush(j, db, NOW);
	}
	for (;;) {
		bool was_stored;
		size_t i;
		json_t *f, *answer = ask(j, db, &q, NOW + 200, &was_stored);
		json_array_foreach(json_object_get(answer, "failures"), i, f) {
			assert_int_equal(json_integer_value(json_object_get(f, "id")), want--);
		}
		json_int_t next = json_integer_value(json_object_get(answer, "next"));
		json_decref(answer);
		if (next == 0) {
			break;
		}
		q.before = (uint64_t)next;
	}
	assert_int_equal(want, 0);
	ring_free(j);
	store_close(db);
}

static void what_is_not_there(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 2);
	bool was_stored;
	(void)state;
	assert_null(ask(j, db, &(struct journal_question){ .id = 1 }, NOW, &was_stored));
	add_many(j, 1, 5);
	/* 1 and 2 left memory before anything was written. */
	assert_null(ask(j, db, &(struct journal_question){ .id = 1 }, NOW, &was_stored));
	assert_true(was_stored);
	assert_null(ask(j, db, &(struct journal_question){ .id = 5 }, NOW, &was_stored));
	assert_false(was_stored);
	ring_free(j);
	store_close(db);
}

/* ---- bounds ---- */

static void rows_are_bounded(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(10, 4);
	(void)state;
	for (size_t i = 1; i <= 30; i++) {
		add_many(j, i, i + 1);
		flush(j, db, NOW);
		assert_in_range(held_rows(db).count, i < 10 ? i : 10, 10);
	}
	assert_int_equal(held_rows(db).least_id, 21);
	ring_free(j);
	store_close(db);
}

/* Memory never shows more than the store may hold. */
static void memory_holds_no_more_than_the_store(void **state)
{
	struct ring *j = make(3, 1000);
	(void)state;
	add_many(j, 1, 10);
	assert_int_equal(j->rows, 3);
	ring_free(j);
}

static void memory_is_bounded(void **state)
{
	static char value[PROTO_VALUE_BYTES + 1];
	Xfed__Field f = XFED__FIELD__INIT, *list[10] = { &f, &f, &f, &f, &f, &f, &f, &f, &f, &f };
	struct ring_limits limits = { .ring_bytes = 256 * 1024 };
	struct ring *j;
	(void)state;
	memset(value, 'v', PROTO_VALUE_BYTES);
	f.name = text("n");
	f.value = value;
	assert_int_equal(ring_new(&limits, &j), XFED_OK);
	for (int i = 0; i < 50; i++) {
		char words[16];
		snprintf(words, sizeof(words), "%d", i);
		Xfed__FailureEvent m = event("a.example", "net.connect.refused", words);
		m.facts = list;
		m.n_facts = 10;
		assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
		assert_in_range(j->bytes, 40000, limits.ring_bytes);
	}
	assert_in_range(j->rows, 5, 6);
	ring_free(j);
}

static void old_rows_go(void **state)
{
	struct store *db = open_db();
	struct ring_limits limits = { .keep_s = 10 * DAY, .ring_rows = 2 };
	struct ring *j;
	bool was_stored;
	(void)state;
	assert_int_equal(ring_new(&limits, &j), XFED_OK);
	for (int day = 1; day <= 4; day++) {
		add(j, "a.example", "no", NOW + day * DAY, (uint64_t)day * DAY * 1000);
		flush(j, db, NOW + day * DAY);
	}
	/* Not shown from the moment on, from memory or store; removed with the next job. */
	expect_page("all", j, db, (struct journal_question){ 0 }, NOW + 4 * DAY, true, "4x1 3x1 2x1 1x1");
	expect_page("two days gone", j, db, (struct journal_question){ 0 }, NOW + 12 * DAY + 1, false, "4x1 3x1");
	expect_page("one in memory gone", j, db, (struct journal_question){ 0 }, NOW + 13 * DAY + 1, false, "4x1");
	assert_null(ask(j, db, &(struct journal_question){ .id = 3 }, NOW + 13 * DAY + 1, &was_stored));
	assert_null(ask(j, db, &(struct journal_question){ .id = 1 }, NOW + 13 * DAY + 1, &was_stored));
	assert_int_equal(held_rows(db).count, 1);
	ring_free(j);
	store_close(db);
}

static void time_to_write(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 0);
	(void)state;
	assert_false(ring_flush_is_due(j, 10 * JOURNAL_TRIM_MS));
	add(j, "a.example", "no", NOW, 5000);
	assert_false(ring_flush_is_due(j, 5999));
	assert_true(ring_flush_is_due(j, 6000));
	add(j, "b.example", "no", NOW, 5900);
	assert_true(ring_flush_is_due(j, 6000));
	/* Not while a job is under way. */
	struct ring_batch *job;
	json_t *answer;
	char error[256];
	assert_int_equal(ring_batch_new(j, NULL, NOW, nothing, &job), XFED_OK);
	add(j, "c.example", "no", NOW, 6000);
	assert_false(ring_flush_is_due(j, 8000));
	store_submit(db, &job->store);
	assert_int_equal(ring_batch_end(j, job, 8000, &answer, error), XFED_OK);
	assert_true(ring_flush_is_due(j, 8000));
	flush(j, db, NOW);
	assert_int_equal(j->dirty, 0);
	assert_false(ring_flush_is_due(j, 9000));
	assert_true(ring_flush_is_due(j, 9000 + JOURNAL_TRIM_MS));
	/* Many are written at once. */
	add_many(j, 1, 1 + JOURNAL_FLUSH_ROWS);
	assert_true(ring_flush_is_due(j, 1000));
	ring_free(j);
	store_close(db);
}

/* ---- the store ---- */

static void a_restart_loses_nothing(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 8);
	char error[256];
	json_t *f;
	(void)state;
	Xfed__FailureEvent m = whole_event();
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	add_many(j, 2, 9);
	flush(j, db, NOW);
	add_many(j, 9, 13);
	flush(j, db, NOW);
	ring_free(j);

	j = make(0, 8);
	assert_int_equal(ring_load(j, db, error), XFED_OK);
	assert_int_equal(j->rows, 8);
	assert_int_equal(j->dirty, 0);
	expect_page("from memory", j, db, (struct journal_question){ .limit = 8 }, NOW + 20, false, "12x1 11x1 10x1 9x1 8x1 7x1 6x1 5x1 next 5");
	expect_page("from the store", j, db, (struct journal_question){ .before = 6 }, NOW + 20, true, "5x1 4x1 3x1 2x1 1x3");
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW + 20, &f), XFED_ERR_AGAIN);
	/* What is loaded is not repeated in; ids go on. */
	add_many(j, 12, 13);
	expect_page("ids go on", j, db, (struct journal_question){ .limit = 2 }, NOW + 20, false, "13x1 12x1 next 12");
	ring_free(j);

	j = make(0, 100);
	assert_int_equal(ring_load(j, db, error), XFED_OK);
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW + 20, &f), XFED_OK);
	expect_json(f, whole_json);
	json_decref(f);
	expect_page("nothing older: memory is enough", j, NULL, (struct journal_question){ .before = 2 }, NOW + 20, false, "1x3");
	ring_free(j);
	store_close(db);
}

static void an_empty_store(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 0);
	char error[256];
	(void)state;
	assert_int_equal(ring_load(j, db, error), XFED_OK);
	expect_page("nothing", j, NULL, (struct journal_question){ 0 }, NOW, false, "");
	add(j, "a.example", "no", NOW, 0);
	expect_page("the first", j, NULL, (struct journal_question){ 0 }, NOW, false, "1x1");
	ring_free(j);
	refusal.reads = "no such table: failure";
	j = make(0, 0);
	assert_int_equal(ring_load(j, db, error), XFED_ERR_LIBRARY);
	assert_non_null(strstr(error, "failure"));
	ring_free(j);
	store_close(db);
}

/* Counted again while the row is on its way to the store. */
static void a_row_may_change_while_it_is_written(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 0);
	struct ring_batch *job;
	json_t *answer;
	char error[256];
	(void)state;
	add(j, "a.example", "no", NOW, 0);
	assert_int_equal(ring_batch_new(j, NULL, NOW, nothing, &job), XFED_OK);
	add(j, "a.example", "no", NOW + 7, 7000);
	store_submit(db, &job->store);
	assert_int_equal(held_rows(db).repeats, 1);
	assert_int_equal(ring_batch_end(j, job, 0, &answer, error), XFED_OK);
	assert_int_equal(j->dirty, 1);
	flush(j, db, NOW);
	assert_int_equal(held_rows(db).repeats, 2);
	assert_int_equal(held_rows(db).last_s, NOW + 7);
	assert_int_equal(held_rows(db).count, 1);
	ring_free(j);
	store_close(db);
}

/* A full disk: nothing is half written, questions are answered, and the rows are written later. */
static void a_store_that_cannot_be_written(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 3);
	struct journal_question q = { .limit = 10 };
	json_t *answer;
	char error[256], got[1024];
	(void)state;
	add_many(j, 1, 4);
	flush(j, db, NOW);
	add_many(j, 4, 6);
	refusal.writes = "attempt to write a readonly database";
	assert_int_equal(run_job(j, db, &q, NOW, &answer, error), XFED_OK);
	assert_non_null(strstr(error, "readonly"));
	assert_string_equal(page(answer, got), "3x1 2x1 1x1");
	json_decref(answer);
	assert_int_equal(j->dirty, 2);
	assert_false(ring_flush_is_due(j, JOURNAL_RETRY_MS - 1));
	assert_true(ring_flush_is_due(j, JOURNAL_RETRY_MS));

	/* One leaves memory on the way: it is counted as lost. */
	struct ring_batch *job;
	assert_int_equal(ring_batch_new(j, NULL, NOW, nothing, &job), XFED_OK);
	add_many(j, 6, 8);
	store_submit(db, &job->store);
	assert_int_equal(ring_batch_end(j, job, 0, &answer, error), XFED_OK);
	assert_int_equal(j->lost, 1);
	assert_int_equal(j->dirty, 3);

	refusal.writes = NULL;
	flush(j, db, NOW);
	expect_page("written after all", j, db, (struct journal_question){ 0 }, NOW + 20, true, "7x1 6x1 5x1 3x1 2x1 1x1");
	ring_free(j);
	store_close(db);
}

/* A row that cannot be written takes the others of its batch back with it. */
static void a_batch_is_written_whole(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(0, 0);
	json_t *answer;
	char error[256];
	(void)state;
	refusal.writes = "disk full";
	refusal.id = 3;
	add_many(j, 1, 5);
	assert_int_equal(run_job(j, db, NULL, NOW, &answer, error), XFED_OK);
	assert_string_equal(error, "disk full");
	assert_int_equal(held_rows(db).count, 0);
	assert_int_equal(j->dirty, 4);
	refusal.writes = NULL;
	flush(j, db, NOW);
	assert_int_equal(held_rows(db).count, 4);
	ring_free(j);
	store_close(db);
}

static void a_damaged_row_says_so(void **state)
{
	static char zeroes[100000];
	const struct store_failure damage[] = {
		{ .detail = XFED_SPAN("\x42\xff") },
		{ .detail = xfed_span_make(zeroes, sizeof(zeroes)) },
		{ .detail = XFED_SPAN("\x42\x0b\x12\x09NOT\xff\x80UTF8") },
		{ .remote = XFED_SPAN("\xff"), .text = XFED_SPAN("\x80\xc3") },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(damage); i++) {
		struct store *db = open_db();
		struct ring *j = make(0, 0);
		Xfed__FailureEvent m = whole_event();
		char error[256];
		json_t *f;
		assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
		flush(j, db, NOW);
		ring_free(j);
		refusal.damage = &damage[i];
		j = make(0, 0);
		assert_int_equal(ring_load(j, db, error), XFED_OK);
		assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW, &f), XFED_OK);
		if ((json_object_get(f, "unreadable") != NULL) != (i < 2)) {
			fail_msg("row %zu", i);
		}
		assert_true(json_is_array(json_object_get(f, "steps")) && json_is_array(json_object_get(f, "chain")));
		assert_string_equal(json_string_value(json_object_get(f, "reason")), "tls.cert.expired");
		const json_t *step = json_array_get(json_object_get(f, "steps"), 0);
		if (i == 2) {
			assert_string_equal(json_string_value(json_object_get(step, "step")), "NOT??UTF8");
		}
		json_decref(f);
		ring_free(j);
		store_close(db);
	}
}

/* ---- hostile events ---- */

static void an_edge_is_not_trusted(void **state)
{
	struct ring *j = make(0, 0);
	Xfed__FailureEvent m = event("a\x1b[2J.example", "tls.cert.expired\n", "\xff\xfe said \x07");
	json_t *f;
	(void)state;
	m.local = NULL;
	m.at_s = INT64_MAX;
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	m.at_s = -5;
	m.text = text("older");
	assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW, &f), XFED_OK);
	assert_string_equal(json_string_value(json_object_get(f, "remote")), "a?[2j.example");
	assert_string_equal(json_string_value(json_object_get(f, "reason")), "channel.reason.unknown");
	assert_string_equal(json_string_value(json_object_get(f, "text")), "tls.cert.expired?: ?? said ?");
	assert_string_equal(json_string_value(json_object_get(f, "local")), "");
	assert_int_equal(json_integer_value(json_object_get(f, "at")), NOW);
	json_decref(f);
	assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 2 }, NOW, &f), XFED_OK);
	assert_int_equal(json_integer_value(json_object_get(f, "at")), NOW);
	json_decref(f);
	ring_free(j);
}

/* As much as the channel lets through: the step that failed is kept, the rest as far as it goes. */
static void too_much_detail_is_cut(void **state)
{
	static char words[PROTO_TEXT_BYTES + 1], value[PROTO_VALUE_BYTES + 1];
	Xfed__Step s = XFED__STEP__INIT, *step_many[PROTO_STEPS_MAX];
	Xfed__Field f = XFED__FIELD__INIT, *fact_many[PROTO_FIELDS_MAX];
	Xfed__Certificate c = XFED__CERTIFICATE__INIT, *chain_many[PROTO_CHAIN_MAX];
	char *names[PROTO_CERT_NAMES_MAX];
	Xfed__FailureEvent m = event("a.example", "tls.cert.expired", "");
	json_t *j1;
	(void)state;
	memset(words, 'w', PROTO_TEXT_BYTES);
	memset(value, 'v', PROTO_VALUE_BYTES);
	s.step = text("tls");
	s.detail = words;
	f.name = text("n");
	f.value = value;
	for (size_t i = 0; i < PROTO_CERT_NAMES_MAX; i++) {
		names[i] = words;
	}
	c.n_names = PROTO_CERT_NAMES_MAX;
	c.names = names;
	for (size_t i = 0; i < PROTO_STEPS_MAX; i++) {
		step_many[i] = &s;
		fact_many[i % PROTO_FIELDS_MAX] = &f;
		chain_many[i % PROTO_CHAIN_MAX] = &c;
	}
	m.steps = step_many;
	m.facts = fact_many;
	m.chain = chain_many;
	for (int round = 0; round < 3; round++) {
		struct ring *j = make(0, 0);
		m.n_steps = round == 0 ? 5 : PROTO_STEPS_MAX;
		m.n_facts = PROTO_FIELDS_MAX;
		c.n_names = round == 2 ? PROTO_CERT_NAMES_MAX : 2;
		m.n_chain = PROTO_CHAIN_MAX;
		assert_int_equal(ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, 0), XFED_OK);
		assert_true(j->bytes < JOURNAL_DETAIL_BYTES + 4096);
		assert_int_equal(ring_ask(j, &(struct journal_question){ .id = 1 }, NOW, &j1), XFED_OK);
		const json_t *list = json_object_get(j1, "steps");
		assert_null(json_object_get(j1, "unreadable"));
		assert_int_equal(json_array_size(list), round == 0 ? 6 : PROTO_STEPS_MAX / 2 + 1);
		assert_non_null(strstr(json_string_value(json_object_get(json_array_get(list, json_array_size(list) - 1), "detail")), "left out"));
		assert_int_equal(json_array_size(json_object_get(j1, "chain")), round == 2 ? 0 : 1);
		json_decref(j1);
		ring_free(j);
	}
}

/* ---- the arguments of a list: what rt_command_run() lets through ---- */

static void arguments(void **state)
{
	static const struct {
		const char *json, *error; /* NULL: fine */
		struct journal_question want;
	} rows[] = {
		{ "{}", NULL, { .limit = JOURNAL_LIST_DEFAULT } },
		{ "{\"partner\": \"A.Example\", \"since\": 17, \"limit\": 500, \"before\": 9}", NULL,
			{ .partner = "a.example", .since_s = 17, .limit = 500, .before = 9 } },
		{ "{\"limit\": 501}", "limit", { 0 } },
		{ "{\"limit\": 9223372036854775807}", "limit", { 0 } },
		{ "{\"before\": 1000000000000}", NULL, { .limit = JOURNAL_LIST_DEFAULT, .before = JOURNAL_STRANGER_ID } },
		{ "{\"before\": 1000000000001}", "before", { 0 } },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct journal_question q;
		char error[160] = "";
		json_t *args = json_loads(rows[i].json, 0, NULL);
		assert_non_null(args);
		int rc = journal_list_args(args, &q, error);
		json_decref(args);
		bool is_same = q.id == rows[i].want.id && strcmp(q.partner, rows[i].want.partner) == 0 && q.since_s == rows[i].want.since_s &&
			       q.limit == rows[i].want.limit && q.before == rows[i].want.before;
		if (rows[i].error ? rc != XFED_ERR_INVALID || !strstr(error, rows[i].error) : rc != XFED_OK || !is_same) {
			fail_msg("row %s: %d \"%s\"", rows[i].json, rc, error);
		}
	}
	char name[300] = "";
	struct journal_question q;
	char error[160];
	memset(name, 'a', 256);
	json_t *args = json_pack("{s:s}", "partner", name);
	assert_int_equal(journal_list_args(args, &q, error), XFED_ERR_INVALID);
	json_decref(args);
}

/* ---- messages ---- */

static void what_trying_again_cures_is_not_kept(void **state)
{
	static const struct {
		enum xfed_reason reason;
		bool is_temporary, is_kept;
	} rows[] = {
		{ XFED_REASON_POLICY_PARTNER_UNLISTED, false, true },
		{ XFED_REASON_POLICY_PARTNER_UNLISTED, true, true },
		{ XFED_REASON_SIP_REQUEST_REFUSED, false, true },
		{ XFED_REASON_SIP_REQUEST_REFUSED, true, false },
		{ XFED_REASON_XMPP_USER_UNKNOWN, false, true },
		{ XFED_REASON_XMPP_USER_UNKNOWN, true, false },
		{ XFED_REASON_DELIVERY_SIZE_EXCEEDED, false, true },
		{ XFED_REASON_SIP_SENDER_UNTRUSTED, false, false }, /* anybody can be one */
		{ XFED_REASON_SIP_REQUEST_MALFORMED, false, false },
		{ XFED_REASON_NET_CONNECT_REFUSED, false, false }, /* its edge tells */
		{ XFED_REASON_NONE, false, false },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct journal_message m = { .local = XFED_SPAN("example.com"),
			.remote = XFED_SPAN("a.example"),
			.reason = rows[i].reason,
			.is_temporary = rows[i].is_temporary };
		print_message("%s\n", xfed_reason_code(m.reason));
		assert_int_equal(message_is_kept(&m), rows[i].is_kept);
		m.remote.len = 0; /* whom it was for could not be read */
		assert_false(message_is_kept(&m));
	}
}

static void add_messages(struct ring *j, size_t count, uint64_t now_ms)
{
	for (size_t i = 0; i < count; i++) {
		char remote[32];
		snprintf(remote, sizeof(remote), "typo%zu.example", i);
		Xfed__FailureEvent m = event(remote, "policy.partner.unlisted", "a message was refused");
		assert_int_equal(ring_add(j, XFED_SPAN(""), XFED_SPAN(""), &m, NOW, now_ms), XFED_OK);
	}
}

/* One user writes to as many domains as he likes: what edges tell stays, in memory and in the store, and each page is whole. */
static void messages_push_out_no_stream(void **state)
{
	struct store *db = open_db();
	struct ring *j = make(8, 8);
	char error[256];
	(void)state;
	add_many(j, 1, 5);
	add_messages(j, 100, 5000); /* before anything is written */
	expect_page("memory", j, NULL, (struct journal_question){ .limit = 6, .is_memory_enough = true }, NOW, false,
		"104x1 103x1 4x1 3x1 2x1 1x1 next 1");
	expect_page("of a partner", j, NULL, (struct journal_question){ .partner = "odd.example", .limit = 9, .is_memory_enough = true }, NOW, false,
		"3x1 1x1");
	flush(j, db, NOW);
	assert_int_equal(held_rows(db).count, 6);
	add_many(j, 6, 10); /* 105 to 108 */
	add_messages(j, 1, 70000);
	flush(j, db, NOW);
	assert_int_equal(held_rows(db).count, 10);
	expect_page("the newest", j, db, (struct journal_question){ .limit = 4 }, NOW, false, "109x1 108x1 107x1 106x1 next 106");
	expect_page("below what memory has all of", j, db, (struct journal_question){ .limit = 20 }, NOW, true,
		"109x1 108x1 107x1 106x1 105x1 104x1 4x1 3x1 2x1 1x1");
	ring_free(j);

	j = make(8, 8);
	assert_int_equal(ring_load(j, db, error), XFED_OK);
	assert_int_equal(j->rows, 10);
	expect_page("after a restart", j, NULL, (struct journal_question){ .limit = 20 }, NOW, false,
		"109x1 108x1 107x1 106x1 105x1 104x1 4x1 3x1 2x1 1x1");
	add_many(j, 20, 28); /* streams push out streams, not messages */
	flush(j, db, NOW);
	expect_page("streams", j, NULL, (struct journal_question){ .limit = 20, .is_memory_enough = true }, NOW, false,
		"117x1 116x1 115x1 114x1 113x1 112x1 111x1 110x1 109x1 104x1");
	assert_int_equal(held_rows(db).count, 10);
	ring_free(j);
	store_close(db);
}

/* ---- memory ---- */

static long allocations_left = -1, held;
static bool was_refused;

static bool refuse(void)
{
	if (allocations_left < 0 || allocations_left-- > 0) {
		return false;
	}
	was_refused = true;
	return true;
}

static void *counting_malloc(size_t size)
{
	void *p = refuse() ? NULL : malloc(size);
	held += p != NULL;
	return p;
}

static void *counting_realloc(void *p, size_t size)
{
	void *q = refuse() ? NULL : realloc(p, size);
	held += q && !p;
	return q;
}

static void counting_free(void *p)
{
	held -= p != NULL;
	free(p);
}

/* One scenario; every call either works or says NOMEM and leaves a journal that works. */
static void scenario(struct store *db)
{
	struct ring_limits limits = { .ring_rows = 3 };
	struct journal_question q = { .id = 1 };
	struct ring *j;
	struct ring_batch *job;
	json_t *answer;
	char error[256];
	if (ring_new(&limits, &j) != XFED_OK) {
		assert_null(j);
		return;
	}
	Xfed__FailureEvent m = whole_event();
	int rc = ring_load(j, db, error);
	assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
	for (int i = 0; i < 5; i++) {
		char words[16];
		snprintf(words, sizeof(words), "%d", i / 2);
		m.text = words;
		rc = ring_add(j, EDGE, XFED_SPAN("a.example"), &m, NOW, (uint64_t)i);
		assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
	}
	rc = ring_ask(j, &q, NOW, &answer);
	assert_true((rc == XFED_OK) == (answer != NULL));
	json_decref(answer);
	rc = ring_batch_new(j, &q, NOW, nothing, &job);
	if (rc == XFED_OK) {
		store_submit(db, &job->store);
		rc = ring_batch_end(j, job, 0, &answer, error);
		assert_true((rc == XFED_OK) == (answer != NULL));
		json_decref(answer);
	} else {
		assert_null(job);
	}
	/* Whatever was refused: it works now. */
	allocations_left = -1;
	add(j, "later.example", "no", NOW, 99);
	flush(j, db, NOW);
	ring_free(j);
}

static void no_memory(void **state)
{
	static const struct xfed_mem_hooks hooks = { counting_malloc, counting_realloc, counting_free };
	struct store *db = open_db();
	long n = 0;
	(void)state;
	xfed_mem_set_hooks(&hooks);
	do {
		held = 0;
		was_refused = false;
		allocations_left = n++;
		scenario(db);
		allocations_left = -1;
		assert_int_equal(held, 0);
	} while (was_refused && n < 1000);
	assert_in_range(n, 15, 999);
	xfed_mem_set_hooks(NULL);
	store_close(db);
}

static void releasing_nothing(void **state)
{
	struct ring *j = make(0, 0);
	struct ring_batch *job;
	(void)state;
	ring_free(NULL);
	ring_batch_free(NULL);
	add(j, "a.example", "no", NOW, 0);
	assert_int_equal(ring_batch_new(j, NULL, NOW, nothing, &job), XFED_OK);
	ring_free(j);
	ring_batch_free(job); /* the journal went first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_shown_whole),
		cmocka_unit_test(the_list_is_the_same_without_detail),
		cmocka_unit_test(every_reason_has_its_remedy),
		cmocka_unit_test(identical_failures_are_counted),
		cmocka_unit_test(only_within_a_minute_of_the_first),
		cmocka_unit_test(repetitions_the_edge_left_out_count),
		cmocka_unit_test(a_storm_is_one_row),
		cmocka_unit_test(strangers_push_out_nothing),
		cmocka_unit_test(strangers_are_folded),
		cmocka_unit_test(strangers_keep_their_places),
		cmocka_unit_test(a_listed_name_has_places_of_its_own),
		cmocka_unit_test(strangers_share_the_page),
		cmocka_unit_test(edges_have_an_end),
		cmocka_unit_test(an_edge_has_its_share),
		cmocka_unit_test(lists),
		cmocka_unit_test(paging_gives_every_row_once),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(rows_are_bounded),
		cmocka_unit_test(memory_holds_no_more_than_the_store),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(old_rows_go),
		cmocka_unit_test(time_to_write),
		cmocka_unit_test(a_restart_loses_nothing),
		cmocka_unit_test(an_empty_store),
		cmocka_unit_test(a_row_may_change_while_it_is_written),
		cmocka_unit_test(a_store_that_cannot_be_written),
		cmocka_unit_test(a_batch_is_written_whole),
		cmocka_unit_test(a_damaged_row_says_so),
		cmocka_unit_test(an_edge_is_not_trusted),
		cmocka_unit_test(too_much_detail_is_cut),
		cmocka_unit_test(arguments),
		cmocka_unit_test(what_trying_again_cures_is_not_kept),
		cmocka_unit_test(messages_push_out_no_stream),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(releasing_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
