#include "proto/inbox.h"

#include "proto/inbox_impl.h"

/* A run that should be forgotten, but has entries without an outcome, is checked again after this time. */
#define LOOK_AGAIN_MS 1000

int proto_inbox_new(size_t max_entries, struct proto_inbox **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	(*out)->max = max_entries ? max_entries : XFED_DELIVERY_TABLE_MAX;
	return XFED_OK;
}

/* ---- entries ---- */

static struct inbox_node *find(struct proto_inbox_run *run, uint64_t seq)
{
	struct inbox_node *n = NULL;
	HASH_FIND(hh, run->table, &seq, sizeof(seq), n);
	return n;
}

static void forget(struct proto_inbox *in, struct proto_inbox_run *run, struct inbox_node *n)
{
	inbox_is_said(n);
	if (n->prev) {
		n->prev->next = n->next;
	} else {
		run->first = n->next;
	}
	if (n->next) {
		n->next->prev = n->prev;
	} else {
		run->last = n->prev;
	}
	HASH_DEL(run->table, n);
	in->count--;
	xfed_free(n->texts);
	xfed_free(n);
}

static struct inbox_node *remember(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	struct inbox_node *n = xfed_calloc(1, sizeof(*n));
	if (!n) {
		return NULL;
	}
	n->e.seq = seq;
	n->e.state = PROTO_INBOX_PENDING;
	HASH_ADD(hh, run->table, e.seq, sizeof(n->e.seq), n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return NULL;
	}
	n->prev = run->last;
	if (run->last) {
		run->last->next = n;
	} else {
		run->first = n;
	}
	run->last = n;
	in->count++;
	return n;
}

/* Forgets all entries with an outcome and a lower number. True: none is left. */
static bool forget_settled(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t below)
{
	run->late = NULL; /* these are among those forgotten */
	for (struct inbox_node *n = run->first, *next; n; n = next) {
		next = n->next;
		if (n->e.state == PROTO_INBOX_SETTLED && n->e.seq < below) {
			/* The mark stays above what was forgotten: a run that comes back must not have it accepted as new. */
			run->lowest = n->e.seq >= run->lowest ? n->e.seq + 1 : run->lowest;
			forget(in, run, n);
		}
	}
	return run->first == NULL;
}

static void forget_late(struct proto_inbox *in, struct proto_inbox_run *run)
{
	for (struct inbox_node *n; (n = run->late);) {
		run->late = n->late_next;
		forget(in, run, n);
	}
}

/*
 * Numbers do not come in order, so the numbers that the mark passes are looked up one by one; each once, because the mark only rises. If it
 * passes more numbers than there are entries, the entries are gone through instead.
 */
static void pass_mark(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t from, uint64_t to)
{
	if (to - from > HASH_COUNT(run->table)) {
		forget_settled(in, run, to);
		return;
	}
	for (uint64_t seq = from; seq < to; seq++) {
		struct inbox_node *n = find(run, seq);
		if (n && n->e.state == PROTO_INBOX_SETTLED) {
			forget(in, run, n);
		}
	}
}

/* ---- runs ---- */

static void give_back(struct proto_inbox *in, struct proto_inbox_run *run, uint32_t reserved)
{
	run->reserved -= reserved;
	in->reserved -= reserved;
}

static void free_run(struct proto_inbox *in, struct proto_inbox_run *run)
{
	struct proto_inbox_run **at = &in->runs;
	while (*at != run) {
		at = &(*at)->next;
	}
	*at = run->next;
	in->slots[run->number % PROTO_INBOX_RUNS_MAX] = NULL;
	give_back(in, run, run->reserved);
	while (run->first) {
		forget(in, run, run->first);
	}
	in->run_count--;
	xfed_free(run);
}

void proto_inbox_free(struct proto_inbox *in)
{
	if (!in) {
		return;
	}
	while (in->runs) {
		free_run(in, in->runs);
	}
	xfed_free(in);
}

struct proto_inbox_run *proto_inbox_find_run(struct proto_inbox *in, struct xfed_span name, uint64_t nonce)
{
	for (struct proto_inbox_run *run = in->runs; run; run = run->next) {
		if (run->nonce == nonce && xfed_span_is(name, run->name)) {
			return run;
		}
	}
	return NULL;
}

static uint64_t free_number(struct proto_inbox *in)
{
	uint64_t slot = 0;
	while (in->slots[slot]) {
		slot++;
	}
	return ++in->generation * PROTO_INBOX_RUNS_MAX + slot;
}

static size_t runs_of(const struct proto_inbox *in, struct xfed_span name)
{
	size_t n = 0;
	for (const struct proto_inbox_run *run = in->runs; run; run = run->next) {
		n += xfed_span_is(name, run->name);
	}
	return n;
}

static struct proto_inbox_run *make_run(struct proto_inbox *in, struct xfed_span name, uint64_t nonce)
{
	struct proto_inbox_run *run;
	if (in->run_count >= PROTO_INBOX_RUNS_MAX || name.len >= sizeof(run->name) || runs_of(in, name) >= PROTO_INBOX_NAME_RUNS_MAX) {
		return NULL;
	}
	run = xfed_calloc(1, sizeof(*run));
	if (!run) {
		return NULL;
	}
	memcpy(run->name, name.data, name.len);
	run->nonce = nonce;
	run->number = free_number(in);
	in->slots[run->number % PROTO_INBOX_RUNS_MAX] = run;
	run->next = in->runs;
	in->runs = run;
	in->run_count++;
	return run;
}

struct proto_inbox_run *proto_inbox_link_up(struct proto_inbox *in, struct xfed_span name, uint64_t nonce, uint64_t lowest_unsettled, uint64_t now_ms)
{
	(void)now_ms;
	struct proto_inbox_run *run = proto_inbox_find_run(in, name, nonce);
	run = run ? run : make_run(in, name, nonce);
	if (!run) {
		return NULL;
	}
	run->links++;
	run->has_ended = false;
	give_back(in, run, run->reserved);
	proto_inbox_lowest(in, run, lowest_unsettled);
	return run;
}

void proto_inbox_link_lost(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t now_ms)
{
	XFED_REQUIRE(run->links > 0);
	if (--run->links > 0) {
		return;
	}
	give_back(in, run, run->reserved);
	run->lost_ms = now_ms;
	run->forget_at_ms = now_ms + XFED_DELIVERY_OUTCOME_MS;
}

struct proto_inbox_run *proto_inbox_next_gone(struct proto_inbox *in, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms)
{
	for (struct proto_inbox_run *run = in->runs; run; run = run->next) {
		bool is_named = name.len == 0 || xfed_span_is(name, run->name);
		if (is_named && run->links == 0 && !run->has_ended && now_ms - run->lost_ms >= gone_ms) {
			return run;
		}
	}
	return NULL;
}

void proto_inbox_end_run(struct proto_inbox_run *run)
{
	XFED_REQUIRE(run->links == 0);
	run->has_ended = true;
}

bool proto_inbox_run_has_ended(const struct proto_inbox_run *run)
{
	return run->has_ended;
}

uint64_t proto_inbox_run_lost_ms(const struct proto_inbox_run *run)
{
	return run->lost_ms;
}

uint64_t proto_inbox_run_number(const struct proto_inbox_run *run)
{
	return run->number;
}

struct proto_inbox_run *proto_inbox_run_of(const struct proto_inbox *in, uint64_t number)
{
	struct proto_inbox_run *run = in->slots[number % PROTO_INBOX_RUNS_MAX];
	return run && run->number == number ? run : NULL;
}

const char *proto_inbox_run_name(const struct proto_inbox_run *run)
{
	return run->name;
}

uint64_t proto_inbox_run_nonce(const struct proto_inbox_run *run)
{
	return run->nonce;
}

uint64_t proto_inbox_link_gone_ms(const struct proto_inbox_run *run, uint64_t now_ms)
{
	return run->links > 0 ? 0 : now_ms - run->lost_ms;
}

/* ---- credit ---- */

uint32_t proto_inbox_reserve(struct proto_inbox *in, struct proto_inbox_run *run, uint32_t want)
{
	size_t used = in->count + in->reserved;
	size_t room = used < in->max ? in->max - used : 0;
	if (run->links == 0) {
		return 0;
	}
	uint32_t n = want < room ? want : (uint32_t)room;
	run->reserved += n;
	in->reserved += n;
	return n;
}

uint32_t proto_inbox_pay(struct proto_inbox *in, struct proto_inbox_run *run, struct proto_owed *owed, uint64_t *bytes)
{
	uint32_t n = owed->messages > 0 ? proto_inbox_reserve(in, run, owed->messages) : 0;
	*bytes = n == owed->messages ? owed->bytes : owed->bytes / owed->messages * n;
	owed->messages -= n;
	owed->bytes -= *bytes;
	return n;
}

/* ---- deliveries ---- */

int proto_inbox_receive(
	struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq, enum proto_inbox_verdict *verdict, struct proto_inbox_entry **entry)
{
	*entry = NULL;
	if (run->reserved == 0) {
		return XFED_ERR_LIMIT;
	}
	struct inbox_node *n = find(run, seq);
	if (n) {
		*verdict = n->e.state == PROTO_INBOX_SETTLED ? PROTO_INBOX_DUPLICATE_SETTLED : PROTO_INBOX_DUPLICATE_PENDING;
	} else if (seq < run->lowest) {
		*verdict = PROTO_INBOX_FORGOTTEN;
	} else {
		*verdict = PROTO_INBOX_FIRST;
		n = remember(in, run, seq);
		if (!n) {
			return XFED_ERR_NOMEM;
		}
	}
	give_back(in, run, 1);
	*entry = n ? &n->e : NULL;
	return XFED_OK;
}

struct proto_inbox_entry *proto_inbox_find(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	(void)in;
	struct inbox_node *n = find(run, seq);
	return n ? &n->e : NULL;
}

static int change(struct inbox_node *n, enum proto_inbox_state from, enum proto_inbox_state to)
{
	if (!n) {
		return XFED_ERR_NOT_FOUND;
	}
	if (n->e.state != from) {
		return XFED_ERR_STATE;
	}
	n->e.state = to;
	return XFED_OK;
}

int proto_inbox_asked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	(void)in;
	struct inbox_node *n = find(run, seq);
	int rc = change(n, PROTO_INBOX_PENDING, PROTO_INBOX_ASKED);
	if (rc == XFED_OK) {
		inbox_is_to_be_said(&run->asks, n);
	}
	return rc;
}

int proto_inbox_acked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	(void)in;
	struct inbox_node *n = find(run, seq);
	int rc = change(n, PROTO_INBOX_ASKED, PROTO_INBOX_ATTEMPTED);
	if (rc == XFED_OK) {
		inbox_is_said(n);
	}
	return rc;
}

int proto_inbox_settle(
	struct proto_inbox *in, struct proto_inbox_run *run, const Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms)
{
	(void)in;
	struct inbox_node *n = find(run, outcome->seq);
	if (!n) {
		return XFED_ERR_NOT_FOUND;
	}
	if (n->e.state == PROTO_INBOX_SETTLED) {
		return XFED_ERR_STATE;
	}
	n->e.state = PROTO_INBOX_SETTLED;
	n->e.settled_ms = now_ms;
	n->e.outcome = &n->outcome;
	inbox_is_to_be_said(&run->tells, n);
	if (n->e.seq < run->lowest) {
		n->late_next = run->late; /* its sender has given it up: forgotten when the sender sends its next mark */
		run->late = n;
	}
	return inbox_copy_outcome(n, outcome, words);
}

int proto_inbox_forget(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	struct inbox_node *n = find(run, seq);
	if (!n || n->e.state == PROTO_INBOX_SETTLED) {
		return XFED_ERR_NOT_FOUND;
	}
	forget(in, run, n);
	return XFED_OK;
}

void proto_inbox_heard(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq)
{
	struct inbox_node *n = find(run, seq);
	if (n && n->e.state == PROTO_INBOX_SETTLED && seq >= run->lowest) { /* those below the mark are forgotten together with it */
		forget(in, run, n);
	}
}

void proto_inbox_lowest(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t lowest_unsettled)
{
	uint64_t before = run->lowest;
	forget_late(in, run);
	if (lowest_unsettled > before) {
		run->lowest = lowest_unsettled;
		pass_mark(in, run, before, lowest_unsettled);
	}
}

struct proto_inbox_entry *proto_inbox_iterate(struct proto_inbox_run *run, struct proto_inbox_entry *after)
{
	struct inbox_node *n = after ? ((struct inbox_node *)after)->next : run->first;
	return n ? &n->e : NULL;
}

/* ---- time and state ---- */

void proto_inbox_tick(struct proto_inbox *in, uint64_t now_ms)
{
	for (struct proto_inbox_run *run = in->runs, *next; run; run = next) {
		next = run->next;
		if (run->links > 0 || now_ms < run->forget_at_ms) {
			continue;
		}
		if (forget_settled(in, run, UINT64_MAX)) {
			free_run(in, run);
		} else {
			run->forget_at_ms = now_ms + LOOK_AGAIN_MS;
		}
	}
}

size_t proto_inbox_count(const struct proto_inbox *in)
{
	return in->count;
}

size_t proto_inbox_reserved(const struct proto_inbox *in)
{
	return in->reserved;
}
