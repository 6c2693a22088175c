/* Questions and answers of the control socket, as xfed/rt/control.h describes them. */
#include <stdio.h>

#include "journal/journal_impl.h"
#include "proto/check.h"
#include "xfed/arena.h"
#include "xfed/cert.h"
#include "xfed/limits.h"
#include "xfed/reason.h"

#define DETAIL_ARENA_BYTES (1024 * 1024)

/* ---- questions ---- */

int journal_list_args(const json_t *args, struct journal_question *out, char error[160])
{
	const char *partner = json_string_value(json_object_get(args, "partner"));
	json_int_t limit = json_integer_value(json_object_get(args, "limit"));
	*out = (struct journal_question){ .since_s = json_integer_value(json_object_get(args, "since")),
		.limit = limit ? (size_t)limit : JOURNAL_LIST_DEFAULT,
		.before = (uint64_t)json_integer_value(json_object_get(args, "before")) };
	const char *wrong = partner && strlen(partner) >= sizeof(out->partner) ? "partner is a domain"
			    : out->limit > JOURNAL_LIST_MAX		       ? "limit is 1 to 500"
			    : out->before > JOURNAL_STRANGER_ID
				    ? "before is the number of a failure; those of peers that have proved nothing are on the first page only"
				    : NULL;
	if (wrong) {
		snprintf(error, 160, "%s", wrong);
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; partner && partner[i]; i++) {
		out->partner[i] = xfed_lower(partner[i]);
	}
	return XFED_OK;
}

/* ---- answers ---- */

/* Cleans text that is not UTF-8, and cuts it at 4 KiB then: a peer's text must not make the whole answer fail. */
static json_t *text(const char *s)
{
	json_t *t = json_string(s ? s : "");
	char clean[PROTO_VALUE_BYTES + 1];
	return t ? t : json_string(proto_text_clean(clean, sizeof(clean), s));
}

/* NULL for an empty text; "s:o*" then leaves the member out. */
static json_t *text_if_any(const char *s)
{
	return s && s[0] ? text(s) : NULL;
}

static json_t *remedy(struct xfed_span code)
{
	enum xfed_reason r = xfed_reason_by_code(code);
	return r == XFED_REASON_NONE ? NULL : json_string(xfed_reason_info(r)->remedy);
}

static json_t *words_of_eku(unsigned bits)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { XFED_EKU_SERVER, "serverAuth" }, { XFED_EKU_CLIENT, "clientAuth" }, { XFED_EKU_SIP, "sipDomain" }, { XFED_EKU_ANY, "any" },
		{ XFED_EKU_OTHER, "other" } };
	json_t *a = json_array();
	for (size_t i = 0; i < XFED_ARRAY_LEN(words); i++) {
		if (bits & words[i].bit) {
			json_array_append_new(a, json_string(words[i].word));
		}
	}
	return a;
}

static json_t *names_of(const Xfed__Certificate *c)
{
	json_t *a = json_array();
	for (size_t i = 0; i < c->n_names; i++) {
		json_array_append_new(a, text(c->names[i]));
	}
	return a;
}

static json_t *certificate(const Xfed__Certificate *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "subject", text(c->subject), "issuer", text(c->issuer), "serial",
		text(c->serial_hex), "sha256", text(c->sha256_hex), "not_before", (json_int_t)c->not_before_s, "not_after",
		(json_int_t)c->not_after_s, "eku", words_of_eku(c->eku), "names", names_of(c));
}

static json_t *steps_of(const Xfed__FailureEvent *d)
{
	json_t *a = json_array();
	for (size_t i = 0; i < d->n_steps; i++) {
		const Xfed__Step *s = d->steps[i];
		json_array_append_new(a, json_pack("{s:I, s:o, s:b, s:o*}", "at_ms", (json_int_t)s->at_ms, "step", text(s->step), "ok", (int)s->ok,
						 "detail", text_if_any(s->detail)));
	}
	return a;
}

static json_t *facts_of(const Xfed__FailureEvent *d)
{
	json_t *a = json_array();
	for (size_t i = 0; i < d->n_facts; i++) {
		json_array_append_new(a, json_pack("{s:o, s:o}", "name", text(d->facts[i]->name), "value", text(d->facts[i]->value)));
	}
	return a;
}

static json_t *chain_of(const Xfed__FailureEvent *d)
{
	json_t *a = json_array();
	for (size_t i = 0; i < d->n_chain; i++) {
		json_array_append_new(a, certificate(d->chain[i]));
	}
	return a;
}

static void *detail_alloc(void *data, size_t size)
{
	return xfed_arena_alloc(data, size);
}

static void detail_free(void *data, void *p)
{
	(void)data; /* freed with the arena */
	(void)p;
}

/* The detail of a failure; one that cannot be read (a damaged store) is shown as such instead of failing the answer. */
static json_t *detail(const struct store_failure *r)
{
	struct xfed_arena arena;
	xfed_arena_init(&arena, DETAIL_ARENA_BYTES);
	ProtobufCAllocator allocator = { detail_alloc, detail_free, &arena };
	const uint8_t *bytes = (const uint8_t *)(r->detail.len > 0 ? r->detail.data : "");
	const Xfed__FailureEvent *d = r->detail.len <= JOURNAL_DETAIL_BYTES ? xfed__failure_event__unpack(&allocator, r->detail.len, bytes) : NULL;
	json_t *out = d ? json_pack("{s:o, s:o, s:o}", "steps", steps_of(d), "facts", facts_of(d), "chain", chain_of(d))
			: json_pack("{s:[], s:[], s:[], s:b}", "steps", "facts", "chain", "unreadable", 1);
	xfed_arena_deinit(&arena);
	return out;
}

json_t *failure_json(const struct store_failure *r, bool with_detail)
{
	bool is_in = r->direction == XFED__DIRECTION__DIRECTION_IN;
	json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:o*, s:s, s:o, s:o, s:o, s:o, s:o*, s:o*, s:o*}", "id", (json_int_t)r->id, "at",
		(json_int_t)r->first_s, "last", (json_int_t)r->last_s, "count", (json_int_t)r->count, "edge", text_if_any(r->edge.data), "direction",
		is_in ? "in" : "out", "local", text(r->local.data), "remote", text(r->remote.data), "reason", text(r->reason.data), "side",
		text(r->side.data), "text", text_if_any(r->text.data), "correlation", text_if_any(r->correlation.data), "remedy", remedy(r->reason));
	if (j && with_detail && json_object_update_new(j, detail(r)) != 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

json_t *failures_json(json_t *failures, const struct journal_question *q, uint64_t last_id)
{
	if (!failures) {
		return NULL;
	}
	bool is_full = json_array_size(failures) >= q->limit;
	return json_pack("{s:o, s:o*}", "failures", failures, "next", is_full ? json_integer((json_int_t)last_id) : NULL);
}
