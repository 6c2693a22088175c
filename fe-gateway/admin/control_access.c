/* The rules about who may use federation, as people are shown them. */
#include "admin/admin.h"

static const char *const scopes[] = { [ACCESS_GLOBAL] = "global", [ACCESS_SITE] = "site", [ACCESS_USER] = "user" };

static json_t *strings(const struct rt_conf_strings *list)
{
	json_t *j = json_array();
	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(j, json_string(list->items[i]));
	}
	return j;
}

/* What it says; a broken one says nothing for certain. */
static json_t *rule(const struct access_rule *r, bool is_whole)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", r->name, "file", r->file, "scope", scopes[r->scope], "federation", r->federation,
		"xmpp", r->xmpp);
	if (!j) {
		return NULL;
	}
	if (r->is_broken) {
		json_object_set_new(j, "broken", json_true());
	}
	if (r->scope == ACCESS_USER) {
		json_object_set_new(j, "users", json_integer((json_int_t)r->granted_to.count));
	}
	if (r->granted_to_file) {
		json_object_set_new(j, "granted_to_file", json_string(r->granted_to_file));
		json_object_set_new(j, "users_in_file", json_integer((json_int_t)r->named_in_file));
	}
	if (r->scope == ACCESS_SITE) {
		json_object_set_new(j, "domains", strings(&r->domains));
	}
	if (is_whole) {
		json_object_set_new(j, "granted_to", strings(&r->granted_to));
	}
	return j;
}

void command_access_list(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	static const enum access_scope order[] = { ACCESS_USER, ACCESS_SITE, ACCESS_GLOBAL };
	json_t *list = json_array();
	(void)args;
	for (size_t i = 0; i < XFED_ARRAY_LEN(order); i++) {
		for (const struct access_rule *r = policy_access_rules(ad->policy); r; r = r->next) {
			if (r->scope == order[i]) {
				json_array_append_new(list, rule(r, false));
			}
		}
	}
	rt_reply_ok(reply, json_pack("{s:o}", "rules", list));
}

void command_access_show(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *name = json_string_value(json_object_get(args, "name"));
	const struct access_rule *r = policy_access_rules(ad->policy);
	while (r && !xfed_span_eq_nocase(xfed_span_str(r->name), xfed_span_str(name))) {
		r = r->next;
	}
	if (r) {
		rt_reply_ok(reply, rule(r, true));
	} else {
		rt_reply_fail(reply, "not-found", "there is no rule %.100s in %s", name, policy_config(ad->policy)->access_dir);
	}
}
