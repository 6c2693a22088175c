#include "ctl.h"

static const char *on(const json_t *rule, const char *key)
{
	return json_is_true(json_object_get(rule, "broken")) ? "?" : json_is_true(json_object_get(rule, key)) ? "on" : "off";
}

/* How many, or which. */
static const char *whom(const json_t *rule, char out[256])
{
	const json_t *domains = json_object_get(rule, "domains"), *in_file = json_object_get(rule, "users_in_file");
	size_t i, len = 0;
	json_t *d;
	out[0] = '\0';
	if (json_is_true(json_object_get(rule, "broken"))) {
		return "cannot be loaded: whoever it could be about may not";
	}
	json_array_foreach(domains, i, d) {
		len += len < 256 ? (size_t)snprintf(out + len, 256 - len, "%s%s", i > 0 ? ", " : "", json_string_value(d)) : 0;
	}
	if (strcmp(ctl_str(rule, "scope"), "user") == 0) {
		json_int_t named = ctl_int(rule, "users"), listed = json_integer_value(in_file);
		if (!in_file || named > 0) {
			len = (size_t)snprintf(out, 256, "%lld user%s%s", (long long)named, named == 1 ? "" : "s", in_file ? ", and " : "");
		}
		if (in_file) {
			snprintf(out + len, 256 - len, "%lld user%s, in %.150s", (long long)listed, listed == 1 ? "" : "s",
				ctl_str(rule, "granted_to_file"));
		}
	} else if (!domains) {
		return "everyone else";
	}
	return out;
}

enum ctl_exit ctl_print_access_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "NAME", "SCOPE", "FEDERATION", "XMPP", "FOR" };
	const json_t *rules = json_object_get(result, "rules");
	struct ctl_table t;
	size_t i;
	json_t *rule;
	char text[256];
	if (json_array_size(rules) == 0) {
		fprintf(out, "no rules: everyone may use federation\n");
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	for (i = 0; i < XFED_ARRAY_LEN(names); i++) {
		ctl_table_add(&t, names[i]);
	}
	json_array_foreach(rules, i, rule) {
		ctl_table_add(&t, ctl_str(rule, "name"));
		ctl_table_add(&t, ctl_str(rule, "scope"));
		ctl_table_add(&t, on(rule, "federation"));
		ctl_table_add(&t, on(rule, "xmpp"));
		ctl_table_add(&t, whom(rule, text));
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}

enum ctl_exit ctl_print_access_show(const json_t *rule, FILE *out)
{
	static const char *const keys[] = { "name", "file", "scope", "federation", "xmpp" };
	struct ctl_table t;
	size_t i;
	json_t *user;
	char text[256];
	ctl_table_init(&t, 2);
	for (i = 0; i < XFED_ARRAY_LEN(keys); i++) {
		ctl_table_add(&t, keys[i]);
		ctl_table_add(&t, i < 3 ? ctl_str(rule, keys[i]) : on(rule, keys[i]));
	}
	ctl_table_add(&t, "for");
	ctl_table_add(&t, whom(rule, text));
	ctl_table_print(&t, "", out);
	json_array_foreach(json_object_get(rule, "granted_to"), i, user) {
		fprintf(out, "  ");
		ctl_text(out, json_string_value(user));
		fprintf(out, "\n");
	}
	return json_is_true(json_object_get(rule, "broken")) ? CTL_PROBLEM : CTL_FINE;
}
