#include "journal/journal_impl.h"

#include <stdio.h>

#include "proto/check.h"
#include "xfed/limits.h"
#include "xfed/reason.h"
#include "xfed/text.h"

/* ---- rows ---- */

struct ring_row *ring_row_new(const struct store_failure *r)
{
	size_t len = 1 + r->detail.len + 1;
	for (size_t i = 0; i < STORE_FAILURE_TEXTS; i++) {
		len += r->texts[i].len + 1;
	}
	struct ring_row *row = xfed_malloc(sizeof(*row) + len);
	if (!row) {
		return NULL;
	}
	*row = (struct ring_row){ .r = *r, .bytes = sizeof(*row) + len };
	char *at = row->key + 1;
	row->key[0] = (char)r->direction;
	for (size_t i = 0; i < STORE_FAILURE_TEXTS; i++) {
		row->r.texts[i] = xfed_span_make(xfed_text_put(&at, r->texts[i]), r->texts[i].len);
		row->key_len = i < JOURNAL_KEY_TEXTS ? (size_t)(at - row->key) : row->key_len;
	}
	row->r.detail = xfed_span_make(xfed_text_put(&at, r->detail), r->detail.len);
	return row;
}

/* ---- the ring ---- */

int ring_new(const struct ring_limits *limits, struct ring **out)
{
	struct ring *j = xfed_calloc(1, sizeof(*j));
	*out = NULL;
	if (!j) {
		return XFED_ERR_NOMEM;
	}
	j->limits = limits ? *limits : (struct ring_limits){ 0 };
	j->limits.rows = j->limits.rows ? j->limits.rows : JOURNAL_ROWS;
	j->limits.keep_s = j->limits.keep_s ? j->limits.keep_s : JOURNAL_KEEP_S;
	j->limits.ring_rows = j->limits.ring_rows ? j->limits.ring_rows : JOURNAL_RING_ROWS;
	j->limits.ring_bytes = j->limits.ring_bytes ? j->limits.ring_bytes : JOURNAL_RING_BYTES;
	if (j->limits.ring_rows > j->limits.rows) {
		j->limits.ring_rows = j->limits.rows;
	}
	j->next_id = j->fold_from = 1;
	j->lanes[RING_STREAMS] = (struct ring_lane){ .max = j->limits.ring_rows, .max_bytes = j->limits.ring_bytes };
	j->lanes[RING_MESSAGES] =
		(struct ring_lane){ .max = JOURNAL_MESSAGES(j->limits.ring_rows), .max_bytes = JOURNAL_MESSAGES(j->limits.ring_bytes) };
	for (struct ring_lane *l = j->lanes; l < j->lanes + RING_LANES; l++) {
		l->rows = xfed_calloc(l->max, sizeof(l->rows[0]));
		if (!l->rows) {
			ring_free(j);
			return XFED_ERR_NOMEM;
		}
	}
	*out = j;
	return XFED_OK;
}

struct ring_lane *ring_lane_of(struct ring *j, const struct store_failure *r)
{
	return &j->lanes[r->edge.len > 0 ? RING_STREAMS : RING_MESSAGES];
}

struct ring_row *ring_row_at(const struct ring_lane *l, size_t i)
{
	return l->rows[(l->first + i) % l->max];
}

static struct ring_row *find_in(const struct ring_lane *l, uint64_t id)
{
	size_t low = 0, high = l->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ring_row_at(l, middle)->r.id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < l->count && ring_row_at(l, low)->r.id == id ? ring_row_at(l, low) : NULL;
}

struct ring_row *ring_row_of(const struct ring *j, uint64_t id)
{
	struct ring_row *e = find_in(&j->lanes[RING_STREAMS], id);
	return e ? e : find_in(&j->lanes[RING_MESSAGES], id);
}

static void stop_folding(struct ring *j, struct ring_row *e)
{
	if (e->is_folding) {
		HASH_DELETE(hh, j->folding, e);
		e->is_folding = false;
	}
}

static void drop_first(struct ring *j, struct ring_lane *l)
{
	struct ring_row *e = ring_row_at(l, 0);
	l->first = (l->first + 1) % l->max;
	l->count--;
	l->bytes -= e->bytes;
	j->gone_id = e->r.id > j->gone_id ? e->r.id : j->gone_id;
	if (e->is_dirty) {
		j->dirty--;
		j->lost++;
	}
	/* also where it was not written: an earlier state of the row may have been */
	j->older_last_s = j->has_older && j->older_last_s > e->r.last_s ? j->older_last_s : e->r.last_s;
	j->has_older = true;
	stop_folding(j, e);
	j->rows--;
	j->bytes -= e->bytes;
	xfed_free(e);
}

void ring_free(struct ring *j)
{
	if (!j) {
		return;
	}
	for (struct ring_lane *l = j->lanes; l < j->lanes + RING_LANES; l++) {
		while (l->count > 0) {
			drop_first(j, l);
		}
		xfed_free(l->rows);
	}
	ring_strangers_free(j);
	xfed_free(j);
}

void ring_insert(struct ring *j, struct ring_row *row, bool is_newest)
{
	struct ring_lane *l = ring_lane_of(j, &row->r);
	l->first = is_newest ? l->first : (l->first + l->max - 1) % l->max;
	l->rows[(l->first + (is_newest ? l->count : 0)) % l->max] = row;
	l->count++;
	l->bytes += row->bytes;
	j->rows++;
	j->bytes += row->bytes;
}

void ring_mark_dirty(struct ring *j, struct ring_row *e, uint64_t now_ms)
{
	if (!e->is_dirty) {
		j->dirty_since_ms = j->dirty == 0 ? now_ms : j->dirty_since_ms;
		j->dirty++;
		e->is_dirty = true;
	}
}

static void expire_folding(struct ring *j, uint64_t now_ms)
{
	for (; j->fold_from < j->next_id; j->fold_from++) {
		struct ring_row *e = ring_row_of(j, j->fold_from);
		if (e && e->is_folding && now_ms - e->begun_ms < JOURNAL_FOLD_MS) {
			return;
		}
		if (e) {
			stop_folding(j, e);
		}
	}
}

/* ---- adding failures ---- */

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* The time an edge reports, within bounds: a wrong clock there must neither keep a row for ever nor hide it. */
static int64_t believable(int64_t at_s, int64_t now_s)
{
	return at_s > now_s || at_s < now_s - 3600 ? now_s : at_s;
}

/* Maps reason and side to our tables: a word an edge made up becomes text for people, never a key. */
static void describe_reason(const Xfed__FailureEvent *m, struct ring_texts *t)
{
	char text[PROTO_WORD_BYTES + PROTO_TEXT_BYTES + 3];
	enum xfed_reason r = xfed_reason_of_peer(xfed_span_str(or_empty(m->reason)));
	bool is_known = r != XFED_REASON_CHANNEL_REASON_UNKNOWN;
	snprintf(text, sizeof(text), "%.*s%s%s", is_known ? 0 : PROTO_WORD_BYTES, or_empty(m->reason), is_known || !or_empty(m->text)[0] ? "" : ": ",
		or_empty(m->text));
	proto_text_clean(t->text, sizeof(t->text), text);
	snprintf(t->reason, sizeof(t->reason), "%s", xfed_reason_code(r));
	snprintf(t->side, sizeof(t->side), "%s", xfed_side_name(xfed_side_of_peer(xfed_span_str(or_empty(m->side)), r)));
}

/* Fills in everything but the detail. */
void ring_describe(struct xfed_span edge, const Xfed__FailureEvent *m, int64_t now_s, struct ring_texts *t, struct store_failure *out)
{
	char name[256];
	snprintf(name, sizeof(name), "%.*s", (int)(edge.len < sizeof(name) ? edge.len : sizeof(name) - 1), edge.data ? edge.data : "");
	proto_text_clean(t->edge, sizeof(t->edge), name);
	proto_text_clean(t->local, sizeof(t->local), or_empty(m->local));
	proto_text_clean(t->remote, sizeof(t->remote), or_empty(m->remote));
	describe_reason(m, t);
	proto_text_clean(t->correlation, sizeof(t->correlation), or_empty(m->correlation));
	for (char *s = t->remote; *s; s++) {
		*s = xfed_lower(*s);
	}
	*out = (struct store_failure){ .first_s = believable(m->at_s, now_s),
		.last_s = believable(m->at_s, now_s),
		.count = 1 + (uint64_t)m->repeated_count,
		.direction = m->direction,
		.edge = xfed_span_str(t->edge),
		.local = xfed_span_str(t->local),
		.remote = xfed_span_str(t->remote),
		.reason = xfed_span_str(t->reason),
		.side = xfed_span_str(t->side),
		.text = xfed_span_str(t->text),
		.correlation = xfed_span_str(t->correlation) };
}

/* Packs the detail without what has a column of its own, and shortened where it is too large. The caller frees `*out`. NOMEM. */
int ring_pack_detail(const Xfed__FailureEvent *m, size_t max, struct xfed_span *out)
{
	Xfed__FailureEvent d = XFED__FAILURE_EVENT__INIT;
	Xfed__Step left_out = XFED__STEP__INIT, *steps[PROTO_STEPS_MAX + 1];
	char words[] = "journal", why[] = "facts and the rest of the chain are left out: too large";
	d.steps = m->steps;
	d.n_steps = m->n_steps;
	d.facts = m->facts;
	d.n_facts = m->n_facts;
	d.chain = m->chain;
	d.n_chain = m->n_chain;
	if (xfed__failure_event__get_packed_size(&d) > max) {
		d.n_facts = 0;
		d.n_chain = m->n_chain > 0 ? 1 : 0;
		d.n_steps = m->n_steps < PROTO_STEPS_MAX / 2 ? m->n_steps : PROTO_STEPS_MAX / 2;
		for (size_t i = 0; i < d.n_steps; i++) {
			steps[i] = m->steps[i];
		}
		left_out.step = words;
		left_out.detail = why;
		steps[d.n_steps++] = &left_out;
		d.steps = steps;
	}
	size_t size = xfed__failure_event__get_packed_size(&d);
	if (size > max) {
		d.n_chain = 0; /* certificates may have many long names */
		size = xfed__failure_event__get_packed_size(&d);
	}
	if (size > max) {
		d.n_steps = 0; /* still too large: long steps, little room */
		size = xfed__failure_event__get_packed_size(&d);
	}
	uint8_t *p = xfed_malloc(size > 0 ? size : 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	xfed__failure_event__pack(&d, p);
	*out = xfed_span_make(p, size);
	return XFED_OK;
}

static bool fold(struct ring *j, const struct store_failure *r, uint64_t now_ms)
{
	char key[sizeof(struct ring_texts) + 1];
	char *at = key + 1;
	struct ring_row *e = NULL;
	key[0] = (char)r->direction;
	for (size_t i = 0; i < JOURNAL_KEY_TEXTS; i++) {
		xfed_text_put(&at, r->texts[i]);
	}
	HASH_FIND(hh, j->folding, key, (size_t)(at - key), e);
	if (!e) {
		return false;
	}
	e->r.count += r->count;
	e->r.last_s = r->last_s > e->r.last_s ? r->last_s : e->r.last_s;
	ring_mark_dirty(j, e, now_ms);
	return true;
}

static int keep(struct ring *j, struct store_failure *r, uint64_t now_ms)
{
	r->id = j->next_id;
	struct ring_row *e = ring_row_new(r);
	if (!e) {
		return XFED_ERR_NOMEM;
	}
	struct ring_lane *l = ring_lane_of(j, r);
	while (l->count > 0 && (l->count == l->max || l->bytes + e->bytes > l->max_bytes)) {
		drop_first(j, l);
	}
	ring_insert(j, e, true);
	j->next_id++;
	e->begun_ms = now_ms;
	ring_mark_dirty(j, e, now_ms);
	HASH_ADD_KEYPTR(hh, j->folding, e->key, e->key_len, e);
	e->is_folding = XFED_TABLE_ADDED(e); /* without memory the next repetition gets a row of its own */
	return XFED_OK;
}

int ring_add(struct ring *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s, uint64_t now_ms)
{
	struct ring_texts t;
	struct store_failure r;
	ring_describe(edge, m, now_s, &t, &r);
	expire_folding(j, now_ms);
	if (fold(j, &r, now_ms)) {
		return XFED_OK;
	}
	struct ring_edge *e = ring_edge_of(j, edge);
	size_t most = ring_lane_of(j, &r) == &j->lanes[RING_MESSAGES] ? JOURNAL_MESSAGES(XFED_JOURNAL_EDGE_ROWS) : XFED_JOURNAL_EDGE_ROWS;
	if (!e || !ring_edge_may(e, most, now_ms)) {
		return ring_add_stranger(j, edge, XFED_SPAN(""), name, m, now_s);
	}
	int rc = ring_pack_detail(m, JOURNAL_DETAIL_BYTES, &r.detail);
	if (rc == XFED_OK) {
		rc = keep(j, &r, now_ms);
		xfed_free((void *)(uintptr_t)r.detail.data);
	}
	return rc;
}

/* ---- questions ---- */

bool ring_wants(const struct journal_question *q, const struct store_failure *r, int64_t oldest_s)
{
	return r->last_s >= oldest_s && r->last_s >= q->since_s && (q->before == 0 || r->id < q->before) &&
	       (q->partner[0] == '\0' || xfed_span_is(r->remote, q->partner));
}

static int show(const struct ring *j, const struct journal_question *q, int64_t oldest_s, json_t **out)
{
	const struct ring_row *e = ring_row_of(j, q->id);
	if (!e || e->r.last_s < oldest_s) {
		return !e && q->id <= j->gone_id && j->has_older ? XFED_ERR_AGAIN : XFED_ERR_NOT_FOUND;
	}
	*out = failure_json(&e->r, true);
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

/* The next older row of both lanes; `left` counts what is left of each. NULL: there is none. */
static const struct ring_row *step_back(const struct ring *j, size_t left[RING_LANES])
{
	const struct ring_row *newest = NULL;
	size_t from = 0;
	for (size_t i = 0; i < RING_LANES; i++) {
		const struct ring_row *e = left[i] > 0 ? ring_row_at(&j->lanes[i], left[i] - 1) : NULL;
		if (e && (!newest || e->r.id > newest->r.id)) {
			newest = e;
			from = i;
		}
	}
	left[from] -= newest != NULL;
	return newest;
}

/* Lists from the ring. AGAIN where the page is not full and rows that have left the ring might belong on it. */
static int list(const struct ring *j, const struct journal_question *q, int64_t oldest_s, json_t **out)
{
	json_t *failures = json_array();
	size_t left[RING_LANES] = { j->lanes[RING_STREAMS].count, j->lanes[RING_MESSAGES].count };
	int64_t since_s = q->since_s > oldest_s ? q->since_s : oldest_s;
	uint64_t whole_to = !q->is_memory_enough && j->has_older && j->older_last_s >= since_s ? j->gone_id : 0;
	uint64_t last_id = 0;
	for (const struct ring_row *e; failures && json_array_size(failures) < q->limit && (e = step_back(j, left)) && e->r.id > whole_to;) {
		if (!ring_wants(q, &e->r, oldest_s)) {
			continue;
		}
		last_id = e->r.id;
		if (json_array_append_new(failures, failure_json(&e->r, false)) != 0) {
			json_decref(failures);
			failures = NULL;
		}
	}
	if (failures && json_array_size(failures) < q->limit && whole_to > 0) {
		json_decref(failures);
		return XFED_ERR_AGAIN;
	}
	*out = failures_json(failures, q, last_id);
	if (*out) {
		ring_strangers_list(j, q, oldest_s, *out);
	}
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

int ring_ask(const struct ring *j, const struct journal_question *q, int64_t now_s, json_t **out)
{
	int64_t oldest_s = now_s - j->limits.keep_s;
	*out = NULL;
	if (q->id > JOURNAL_STRANGER_ID) {
		return ring_stranger_show(j, q->id, out);
	}
	return q->id ? show(j, q, oldest_s, out) : list(j, q, oldest_s, out);
}
