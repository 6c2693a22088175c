/* sip list: what there is between the gateway and SIP servers now, in pages: connections, then sessions, then transactions. */
#include <inttypes.h>
#include <stdio.h>

#include "admin/admin.h"

#define PAGE_MAX     500
#define PAGE_DEFAULT 100
#define NAMES_MAX    8 /* of a certificate */

enum kind {
#define KIND(id, word, ...) KIND_##id,
	RT_SIP_WORDS(KIND, KIND)
#undef KIND
		KIND_COUNT
};

static const char *const words[KIND_COUNT] = {
#define WORD(id, word, ...) word,
	RT_SIP_WORDS(WORD, WORD)
#undef WORD
};

/* ---- one ---- */

static json_t *address(const char *ip, uint16_t port)
{
	return json_sprintf(strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

static json_t *text_of(struct xfed_span s)
{
	return s.data ? rt_control_text(s) : NULL;
}

static json_t *names_of(const struct xfed_cert_facts *f)
{
	json_t *names = f ? json_array() : NULL;
	for (size_t i = 0; f && i < f->name_count && i < NAMES_MAX; i++) {
		json_array_append_new(names, rt_control_text(xfed_span_str(f->names[i])));
	}
	return names;
}

static json_t *next_connection(const struct admin *ad, uint64_t after, uint64_t *id)
{
	struct trunk_conn_facts f;
	if (!trunk_conn_next(ad->trunk, after, &f)) {
		return NULL;
	}
	*id = f.id;
	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:s, s:b, s:b, s:I, s:o*}", "kind", words[KIND_CONNECTION], "id", (json_int_t)f.id, "direction",
		f.is_ours ? "out" : "in", "transport", sip_transport_name(f.transport), "address", address(f.ip, f.port), "state",
		f.is_open ? "open" : "opening", "neighbour", f.is_outside, "trusted", f.may_send, "idle_s", (json_int_t)(f.idle_ms / 1000), "names",
		names_of(f.cert));
}

static json_t *next_session(const struct admin *ad, uint64_t after, uint64_t *id)
{
	struct sessions_call c;
	if (!sessions_next(ad->sessions, after, &c)) {
		return NULL;
	}
	*id = c.id;
	return json_pack("{s:s, s:I, s:o, s:o, s:s, s:s, s:I, s:I, s:o*}", "kind", words[KIND_SESSION], "id", (json_int_t)c.id, "user",
		rt_control_text(c.local), "contact", rt_control_text(c.remote), "opened_by", c.is_ours ? "contact" : "user", "state", c.state,
		"under_way", (json_int_t)c.under_way, "idle_s", (json_int_t)(c.idle_ms / 1000), "call_id", text_of(c.call_id));
}

static json_t *next_transaction(const struct admin *ad, uint64_t after, uint64_t *id)
{
	struct sip_trans_facts f;
	if (!trunk_trans_next(ad->trunk, after, &f)) {
		return NULL;
	}
	*id = f.id;
	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:s, s:o*, s:o*}", "kind", words[KIND_TRANSACTION], "id", (json_int_t)f.id, "direction",
		f.is_ours ? "out" : "in", "transport", sip_transport_name(f.target->transport), "address", address(f.target->ip, f.target->port),
		"state", f.state, "method", text_of(f.method), "call_id", text_of(f.call_id));
}

/* The one behind `after`, with its number, which stays 0 where there are no more; NULL: no memory. */
static json_t *next_of(const struct admin *ad, enum kind kind, uint64_t after, uint64_t *id)
{
	static json_t *(*const all[KIND_COUNT])(const struct admin *ad, uint64_t after,
		uint64_t *id) = { [KIND_CONNECTION] = next_connection, [KIND_SESSION] = next_session, [KIND_TRANSACTION] = next_transaction };
	return all[kind](ad, after, id);
}

/* ---- a page ---- */

struct page {
	enum kind kind, last; /* the present one, and the last one that is asked for */
	uint64_t after;	      /* the number that the part before ended with; 0: none */
	size_t limit;
	json_t *items;
};

static bool kind_of(const char *word, size_t len, enum kind *out)
{
	for (int i = 0; i < KIND_COUNT; i++) {
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0) {
			*out = (enum kind)i;
			return true;
		}
	}
	return false;
}

/* "session 12", as "next" has it. */
static bool read_after(struct page *p, const char *after)
{
	const char *space = strchr(after, ' ');
	char end;
	return space && kind_of(after, (size_t)(space - after), &p->kind) && sscanf(space, " %" SCNu64 "%c", &p->after, &end) == 1;
}

static bool read_page(struct page *p, struct rt_reply reply, const json_t *args)
{
	const char *kind = json_string_value(json_object_get(args, "kind")), *after = json_string_value(json_object_get(args, "after"));
	json_int_t limit = json_integer_value(json_object_get(args, "limit"));
	p->limit = limit <= 0 ? PAGE_DEFAULT : limit < PAGE_MAX ? (size_t)limit : PAGE_MAX;
	p->last = KIND_COUNT - 1;
	if (kind && kind_of(kind, strlen(kind), &p->kind)) {
		p->last = p->kind;
	}
	if (after && (!read_after(p, after) || p->kind > p->last)) {
		rt_reply_fail(reply, "bad-request", "after is what the page before had as next, such as \"session 12\"");
		return false;
	}
	return true;
}

/* OK; LIMIT: there is another one, which did not fit; NOMEM. */
static int fill(const struct admin *ad, struct page *p)
{
	for (;;) {
		uint64_t id = 0;
		json_t *item = next_of(ad, p->kind, p->after, &id);
		if (id == 0 && p->kind == p->last) {
			return XFED_OK;
		}
		if (id == 0) {
			p->kind++;
			p->after = 0;
			continue;
		}
		if (json_array_size(p->items) >= p->limit) {
			json_decref(item);
			return XFED_ERR_LIMIT;
		}
		if (json_array_append_new(p->items, item) != 0) {
			return XFED_ERR_NOMEM;
		}
		p->after = id;
	}
}

static json_t *result_of(const struct admin *ad, const struct page *p, bool is_more, const json_t *args)
{
	struct trunk_load load = trunk_load(ad->trunk);
	json_t *j = json_pack("{s:O, s:{s:I, s:I, s:I}}", "sip", p->items, "counts", "connections", (json_int_t)load.connections, "sessions",
		(json_int_t)sessions_load(ad->sessions).calls, "transactions", (json_int_t)load.transactions);
	if (j && is_more) {
		json_object_set_new(j, "next", json_sprintf("%s %" PRIu64, words[p->kind], p->after));
		json_object_set_new(j, "filter", json_pack("{s:s*}", "kind", json_string_value(json_object_get(args, "kind"))));
	}
	return j;
}

void command_sip_list(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *ad = user;
	struct page p = { .items = json_array() };
	if (read_page(&p, reply, args)) {
		int rc = fill(ad, &p);
		rt_reply_ok(reply, rc != XFED_ERR_NOMEM ? result_of(ad, &p, rc == XFED_ERR_LIMIT, args) : NULL);
	}
	json_decref(p.items);
}
