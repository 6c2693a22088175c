#include <stdio.h>

#include "xfed/rt/control.h"

/* jansson allows 2048 levels of recursion: our limit is checked before it sees the bytes. */
static bool is_deep(struct xfed_span s)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		if (in_string) {
			i += c == '\\' ? 1 : 0;
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > RT_CONTROL_DEPTH) {
				return true;
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static const char *check(const json_t *request)
{
	const char *key;
	json_t *value;
	const json_t *verb = json_object_get(request, "verb"), *args = json_object_get(request, "args");
	if (!json_is_object(request)) {
		return "a request is one JSON object";
	}
	json_object_foreach((json_t *)(uintptr_t)request, key, value) {
		if (strcmp(key, "noun") != 0 && strcmp(key, "verb") != 0 && strcmp(key, "args") != 0) {
			return "a request has noun, verb and args, nothing else";
		}
	}
	if (!json_is_string(json_object_get(request, "noun"))) {
		return "noun has to be a string";
	}
	if (verb && !json_is_string(verb)) {
		return "verb has to be a string";
	}
	return args && !json_is_object(args) ? "args has to be an object" : NULL;
}

int rt_control_parse(struct xfed_span line, json_t **out, char error[160])
{
	json_error_t where;
	*out = NULL;
	if (line.len > XFED_CONTROL_REQUEST_BYTES || is_deep(line)) {
		snprintf(error, 160, "the request is larger or nested more deeply than is taken");
		return XFED_ERR_INVALID;
	}
	json_t *request = json_loadb(line.data ? line.data : "", line.len, JSON_REJECT_DUPLICATES, &where);
	if (!request) {
		/* `where.text` may quote the request, which must not go back. */
		snprintf(error, 160, "not JSON (at byte %d)", where.position);
		return XFED_ERR_INVALID;
	}
	const char *problem = check(request);
	if (problem) {
		snprintf(error, 160, "%s", problem);
		json_decref(request);
		return XFED_ERR_INVALID;
	}
	*out = request;
	return XFED_OK;
}

enum rt_control_role rt_control_role_of(uid_t uid, const gid_t *groups, size_t group_count, uid_t own_uid, gid_t admin_group, gid_t read_group)
{
	enum rt_control_role role = RT_CONTROL_NOBODY;
	if (uid == 0 || uid == own_uid) {
		return RT_CONTROL_ADMIN;
	}
	for (size_t i = 0; i < group_count; i++) {
		if (admin_group != (gid_t)-1 && groups[i] == admin_group) {
			return RT_CONTROL_ADMIN;
		}
		if (read_group != (gid_t)-1 && groups[i] == read_group) {
			role = RT_CONTROL_READER;
		}
	}
	return role;
}
