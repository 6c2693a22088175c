/* `explain FROM TO`: the answer. */
#include "admin/admin.h"
#include "admin/explain_ask.h"
#include "xfed/mem.h"

struct asking {
	struct rt_reply reply;
	enum explain_kind kind;
};

static json_t *gate_json(enum explain_gate_id id, const struct explain_gate *g)
{
	static const char *const words[] = { [POLICY_OPEN] = "ok", [POLICY_CLOSED] = "closed", [POLICY_SKIPPED] = "skipped" };
	char text[sizeof(g->text)];
	json_t *j = json_pack(
		"{s:s, s:s, s:s}", "gate", explain_gate_name(id), "state", words[g->state], "text", proto_text_clean(text, sizeof(text), g->text));
	rt_control_set_reason(j, g->state == POLICY_CLOSED ? g->reason : XFED_REASON_NONE);
	return j;
}

static bool is_about(enum explain_gate_id id, enum explain_kind kind)
{
	return id == EXPLAIN_APPROVAL ? kind != EXPLAIN_OF_MESSAGE : id != EXPLAIN_SHOWN || kind == EXPLAIN_OF_PRESENCE;
}

/* Its gates, and which is closed, into `j`. */
static void judge(const struct explain_facts *f, enum explain_kind kind, json_t *j)
{
	struct explain_gate gates[EXPLAIN_GATE_COUNT];
	enum explain_gate_id closed = explain_gates(f, kind, gates);
	json_t *list = json_array();
	for (int i = 0; i < EXPLAIN_GATE_COUNT; i++) {
		if (is_about((enum explain_gate_id)i, kind)) {
			json_array_append_new(list, gate_json((enum explain_gate_id)i, &gates[i]));
		}
	}
	json_object_set_new(j, "kind", json_string(explain_kind_word(kind)));
	json_object_set_new(j, "ok", json_boolean(closed == EXPLAIN_GATE_COUNT));
	json_object_set_new(j, "gates", list);
	if (closed != EXPLAIN_GATE_COUNT) {
		json_object_set_new(j, "closed", json_string(explain_gate_name(closed)));
	}
}

static json_t *result(const struct explain_facts *f, enum explain_kind asked)
{
	json_t *j = json_pack("{s:s, s:s}", "from", f->from, "to", f->to), *others = json_array();
	if (j && f->policy.from_is_ours != f->policy.to_is_ours) {
		json_object_set_new(j, "direction", json_string(f->policy.to_is_ours ? "to_sip" : "to_xmpp"));
	}
	judge(f, asked, j);
	for (int k = 0; k < EXPLAIN_KIND_COUNT; k++) {
		if (k != (int)asked) {
			json_t *other = json_object();
			judge(f, (enum explain_kind)k, other);
			json_array_append_new(others, other);
		}
	}
	json_object_set_new(j, "others", others);
	return j;
}

static void on_facts(void *user, const struct explain_facts *f)
{
	struct asking *a = user;
	rt_reply_ok(a->reply, f ? result(f, a->kind) : NULL);
	xfed_free(a);
}

static enum explain_kind kind_of(const char *word)
{
	int k = 0;
	while (strcmp(word, explain_kind_word((enum explain_kind)k)) != 0) {
		k++;
	}
	return (enum explain_kind)k;
}

void command_explain(struct rt_reply reply, const json_t *args, void *user)
{
	const char *word = json_string_value(json_object_get(args, "kind"));
	enum explain_kind kind = word ? kind_of(word) : EXPLAIN_OF_MESSAGE;
	struct asking *a = xfed_calloc(1, sizeof(*a));
	if (!a) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*a = (struct asking){ reply, kind };
	explain_ask(user, json_string_value(json_object_get(args, "from")), json_string_value(json_object_get(args, "to")), on_facts, a);
}
