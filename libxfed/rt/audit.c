#include "xfed/rt/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/control.h"

#define PAGE_MAX     500
#define PAGE_DEFAULT 100

struct entry {
	uint64_t id;
	int64_t at_s;
	const char *who, *from, *what, *result; /* behind it, in the same memory */
};

/* The last ones of a kind; `count` grows, and its remainder is the place. */
static struct ring {
	struct entry *items[XFED_AUDIT_ENTRIES];
	uint64_t count;
} rings[RT_AUDIT_KINDS];
static uint64_t last_id, lost;

static const char *const kinds[RT_AUDIT_KINDS] = { [RT_AUDIT_CHANGE] = "change", [RT_AUDIT_LOGIN] = "login" };

static size_t cut(const char *s)
{
	size_t len = s ? strlen(s) : 0;
	return len < XFED_AUDIT_TEXT_BYTES ? len : XFED_AUDIT_TEXT_BYTES;
}

static const char *put(char **at, const char *s)
{
	char *start = *at;
	size_t len = cut(s);
	memcpy(start, s ? s : "", len);
	start[len] = '\0';
	*at += len + 1;
	return start;
}

void rt_audit_add(enum rt_audit_kind kind, const struct rt_audit *a)
{
	struct ring *r = &rings[kind];
	struct entry *e = xfed_malloc(sizeof(*e) + cut(a->who) + cut(a->from) + cut(a->what) + cut(a->result) + 4), **place;
	if (!e) {
		lost++;
		return;
	}
	char *at = (char *)(e + 1);
	*e = (struct entry){ .id = ++last_id, .at_s = (int64_t)time(NULL) };
	e->who = put(&at, a->who);
	e->from = put(&at, a->from);
	e->what = put(&at, a->what);
	e->result = put(&at, a->result);
	place = &r->items[r->count++ % XFED_AUDIT_ENTRIES];
	xfed_free(*place);
	*place = e;
}

/* ---- commands ---- */

static bool is_kept(const struct rt_command *c, const char *result)
{
	bool is_ok = strcmp(result, "ok") == 0;
	if (strcmp(c->noun, "change") != 0 || strcmp(c->verb, "finish") == 0 || strcmp(c->verb, "take") == 0 || strcmp(c->verb, "snapshot") == 0) {
		return c->changes;
	}
	/* The rest are steps: trials, and what lets go; who carries a change out tells the gateway of its end himself. */
	return !is_ok && (strcmp(c->verb, "begin") == 0 || strcmp(c->verb, "carry") == 0);
}

static const char *said(const json_t *args, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(args, key));
	return s ? s : otherwise;
}

void rt_audit_add_command(const struct rt_command *c, const json_t *args, const char *who, const char *from, const char *result)
{
	struct xfed_buf text;
	bool is_step = strcmp(c->noun, "change") == 0;
	if (!is_kept(c, result)) {
		return;
	}
	xfed_buf_init(&text, 2 * XFED_CONTROL_REQUEST_BYTES);
	int rc = is_step && json_object_get(args, "command") ? xfed_buf_append_str(&text, said(args, "command", ""))
							     : rt_command_typed(c, args, &text);
	rc = rc == XFED_OK ? xfed_buf_append(&text, xfed_span_make("", 1)) : rc;
	if (rc == XFED_OK) {
		const char *typed = xfed_buf_span(&text).data;
		typed += strncmp(typed, "xfedctl ", 8) == 0 ? 8 : 0;
		rt_audit_add(RT_AUDIT_CHANGE, &(struct rt_audit){ .who = is_step ? said(args, "login", who) : who,
						      .from = is_step ? said(args, "from", from) : from,
						      .what = typed,
						      .result = result });
	} else {
		lost++;
	}
	xfed_buf_deinit(&text);
}

/* ---- audit list ---- */

static json_t *entry_json(enum rt_audit_kind kind, const struct entry *e)
{
	return json_pack("{s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "id", (json_int_t)e->id, "at", (json_int_t)e->at_s, "kind", kinds[kind], "who",
		rt_control_text(xfed_span_str(e->who)), "from", rt_control_text(xfed_span_str(e->from)), "what",
		rt_control_text(xfed_span_str(e->what)), "result", rt_control_text(xfed_span_str(e->result)));
}

/* How many of the ring are older than `before`: its places are in the order of numbers, so that halves can be left out. */
static uint64_t older(const struct ring *r, uint64_t before)
{
	uint64_t low = r->count > XFED_AUDIT_ENTRIES ? r->count - XFED_AUDIT_ENTRIES : 0, high = r->count;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (r->items[middle % XFED_AUDIT_ENTRIES]->id < before) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static const struct entry *at(const struct ring *r, uint64_t end)
{
	uint64_t first = r->count > XFED_AUDIT_ENTRIES ? r->count - XFED_AUDIT_ENTRIES : 0;
	return end > first ? r->items[(end - 1) % XFED_AUDIT_ENTRIES] : NULL;
}

void rt_audit_list(struct rt_reply reply, const json_t *args)
{
	uint64_t before = UINT64_MAX, ends[RT_AUDIT_KINDS], last = 0;
	const char *after = json_string_value(json_object_get(args, "after"));
	json_int_t asked = json_integer_value(json_object_get(args, "limit"));
	size_t limit = asked <= 0 ? PAGE_DEFAULT : asked < PAGE_MAX ? (size_t)asked : PAGE_MAX;
	char end;
	if (after && sscanf(after, "%" SCNu64 "%c", &before, &end) != 1) {
		rt_reply_fail(reply, "bad-request", "after is what the page before had as next, such as \"12\"");
		return;
	}
	json_t *list = json_array();
	for (int k = 0; k < RT_AUDIT_KINDS; k++) {
		ends[k] = older(&rings[k], before);
	}
	const struct entry *e;
	do { /* the newest first, of whichever kind */
		int newest = 0;
		e = NULL;
		for (int k = 0; k < RT_AUDIT_KINDS; k++) {
			const struct entry *mine = at(&rings[k], ends[k]);
			newest = mine && (!e || mine->id > e->id) ? k : newest;
			e = mine && (!e || mine->id > e->id) ? mine : e;
		}
		if (e && json_array_size(list) < limit) {
			json_array_append_new(list, entry_json((enum rt_audit_kind)newest, e));
			last = e->id;
			ends[newest]--;
		}
	} while (e && json_array_size(list) < limit);
	bool is_more = at(&rings[RT_AUDIT_CHANGE], ends[RT_AUDIT_CHANGE]) || at(&rings[RT_AUDIT_LOGIN], ends[RT_AUDIT_LOGIN]);
	json_t *j = json_pack("{s:o, s:I}", "audit", list, "lost", (json_int_t)lost);
	if (j && is_more) {
		json_object_set_new(j, "next", json_sprintf("%" PRIu64, last));
	}
	rt_reply_ok(reply, j);
}

void rt_audit_clear(void)
{
	for (int k = 0; k < RT_AUDIT_KINDS; k++) {
		for (size_t i = 0; i < XFED_AUDIT_ENTRIES; i++) {
			xfed_free(rings[k].items[i]);
		}
	}
	memset(rings, 0, sizeof(rings));
	last_id = lost = 0;
}
