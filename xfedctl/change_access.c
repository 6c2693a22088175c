/* access add, set, remove, grant, revoke. */
#include <dirent.h>
#include <unistd.h>

#include "change_settings.h"
#include "fe-gateway/policy/access_file.h"

/* ---- the file ---- */

/* Named after the rule, in lower case. */
static enum ctl_exit find_file(struct change *c, const char *name)
{
	char lower[NAME_MAX + 1];
	size_t len = strlen(name);
	if (len + sizeof(".yaml") > sizeof(lower) || name[0] == '.' || strchr(name, '/')) {
		return change_refuse(c, "found \"%.100s\", accepted: a name that a file can have", name);
	}
	for (size_t i = 0; i <= len; i++) {
		lower[i] = xfed_lower(name[i]);
	}
	if (snprintf(c->file, sizeof(c->file), "%s/%s.yaml", c->config->access_dir, lower) >= (int)sizeof(c->file)) {
		return change_refuse(c, "the path of %s is too long", lower);
	}
	return CTL_FINE;
}

/* Rules in files, whatever is in force. */
static size_t count_rules(const struct change *c)
{
	DIR *d = opendir(c->config->access_dir);
	size_t count = 0;
	struct dirent *e;
	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);
		count += e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0;
	}
	if (d) {
		closedir(d);
	}
	return count;
}

/* c->was is a rule's text, and so is c->is. */
static enum ctl_exit open_rule(struct change *c, const char *name)
{
	bool exists;
	enum ctl_exit rc = find_file(c, name);
	rc = rc == CTL_FINE ? change_read(c, RT_CONF_FILE_BYTES, &exists) : rc;
	if (rc == CTL_FINE && !exists) {
		return change_refuse(c, "there is no rule %s: there is no %s", name, c->file);
	}
	return rc;
}

static bool says_in(const struct change *c, struct xfed_span text, const char *key, const char *word)
{
	char error[RT_CONF_EDIT_ERROR];
	struct xfed_buf value;
	xfed_buf_init(&value, RT_CONF_FILE_BYTES);
	bool is_so = rt_conf_value(c->file, text, key, &value, error) == XFED_OK && xfed_span_is(xfed_buf_span(&value), word);
	xfed_buf_deinit(&value);
	return is_so;
}

static bool says(const struct change *c, const char *key, const char *word)
{
	return says_in(c, xfed_buf_span(&c->was), key, word);
}

static bool is_on_in(const struct change *c, struct xfed_span text)
{
	return says_in(c, text, "allowed", "true") || (says_in(c, text, "federation", "true") && says_in(c, text, "xmpp", "true"));
}

/* As the rule stands in c->was. */
static bool is_on(const struct change *c)
{
	return is_on_in(c, xfed_buf_span(&c->was));
}

/* What the rule in c->is, which is not there yet, takes from whom it does not mean. */
static void note_lock_out(struct change *c)
{
	bool is_first = count_rules(c) == 0, lets = is_on_in(c, xfed_buf_span(&c->is));
	if (is_first && !lets) {
		change_note(c, "it is the first rule, and lets nobody use federation: nobody may any more");
	} else if (is_first) {
		change_note(c, "it is the first rule: whoever no rule covers may not use federation any more");
	} else if (!lets && says_in(c, xfed_buf_span(&c->is), "scope", "global")) {
		change_note(c, "whom no rule for users or sites lets use federation may not");
	}
}

/* ---- rules ---- */

static enum ctl_exit add(struct change *c, const json_t *args)
{
	const char *name = ctl_str(args, "name");
	bool exists;
	enum ctl_exit rc = find_file(c, name);
	rc = rc == CTL_FINE ? change_read(c, RT_CONF_FILE_BYTES, &exists) : rc;
	if (rc == CTL_FINE && exists) {
		return change_refuse(c, "there is a rule %s already: access set changes it", name);
	}
	rc = rc == CTL_FINE ? change_begin_file(c, &access_file_table, "name", name) : rc;
	rc = rc == CTL_FINE ? change_settings(c, &access_file_table, json_object_get(args, "settings"), true) : rc;
	if (rc == CTL_FINE) {
		note_lock_out(c);
	}
	return rc == CTL_FINE ? change_make(c) : rc;
}

enum ctl_exit ctl_do_access_add(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "access add", args, options);
	rc = rc == CTL_FINE ? add(&c, args) : rc;
	change_close(&c);
	return rc;
}

enum ctl_exit ctl_do_access_set(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "access set", args, options);
	rc = rc == CTL_FINE ? open_rule(&c, ctl_str(args, "name")) : rc;
	rc = rc == CTL_FINE ? change_settings(&c, &access_file_table, json_object_get(args, "settings"), false) : rc;
	rc = rc == CTL_FINE ? change_make(&c) : rc;
	change_close(&c);
	return rc;
}

static enum ctl_exit take_away(struct change *c, const char *name)
{
	enum ctl_exit rc = open_rule(c, name);
	if (rc == CTL_FINE && count_rules(c) == 1) {
		return change_refuse(c,
			"%s is the last rule, and without any everyone may use federation: say first who may, everyone (access add everyone "
			"scope=global allowed=true) or nobody (access add nobody scope=global allowed=false)",
			name);
	}
	if (rc == CTL_FINE) {
		change_note(c, "%s",
			says(c, "scope", "global") ? "whom no other rule covers may not use federation any more"
			: is_on(c)		   ? "whom the rule let use federation may no more, unless a wider rule (site, global) lets him"
						   : "whom the rule forbade may use federation where a wider rule (site, global) lets him");
	}
	c->is_gone = true;
	return rc == CTL_FINE ? change_make(c) : rc;
}

enum ctl_exit ctl_do_access_remove(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "access remove", args, options);
	rc = rc == CTL_FINE ? take_away(&c, ctl_str(args, "name")) : rc;
	change_close(&c);
	return rc;
}

/* ---- users in a file of their own ---- */

static bool is_line_of(struct xfed_span line, struct xfed_span user)
{
	struct xfed_arena a;
	struct xfed_span normal;
	const char *accepted;
	while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1])) {
		line.len--;
	}
	xfed_arena_init(&a, 65536);
	bool is_one =
		line.len > 0 && line.data[0] != '#' && access_convert_user(&a, line, &normal, &accepted) == XFED_OK && xfed_span_eq(normal, user);
	xfed_arena_deinit(&a);
	return is_one;
}

/* c->was without the lines that name the user, into c->is; how many there were. */
static size_t copy_others(struct change *c, struct xfed_span user, int *rc)
{
	struct xfed_span rest = xfed_buf_span(&c->was);
	size_t found = 0;
	while (rest.len > 0 && *rc == XFED_OK) {
		const char *start = rest.data;
		struct xfed_span line = xfed_span_cut(&rest, '\n');
		size_t whole = rest.len > 0 ? (size_t)(rest.data - start) : (size_t)(xfed_buf_span(&c->was).data + xfed_buf_len(&c->was) - start);
		if (is_line_of(line, user)) {
			found++;
		} else {
			*rc = xfed_buf_append(&c->is, xfed_span_make(start, whole));
		}
	}
	return found;
}

/* One more line, ended as the first one is. */
static int add_line(struct change *c, const char *user)
{
	struct xfed_span was = xfed_buf_span(&c->was);
	const char *first = was.len > 0 ? memchr(was.data, '\n', was.len) : NULL;
	const char *end = first && first > was.data && first[-1] == '\r' ? "\r\n" : "\n";
	bool is_open = was.len > 0 && was.data[was.len - 1] != '\n';
	return xfed_buf_printf(&c->is, "%s%s%s", is_open ? end : "", user, end);
}

/* The rule's file is done with: `file` is the one that is changed. */
static enum ctl_exit open_users(struct change *c, const char *file)
{
	bool exists;
	save_close(&c->save);
	xfed_buf_deinit(&c->was);
	xfed_buf_deinit(&c->is);
	snprintf(c->file, sizeof(c->file), "%s", file);
	enum ctl_exit rc = change_read(c, ACCESS_GRANTED_FILE_BYTES, &exists);
	return rc == CTL_FINE && !exists ? change_refuse(c, "there is no %s", file) : rc;
}

/* The key with which the rule in c->was is put off. */
static const char *switch_of(const struct change *c)
{
	return says(c, "allowed", "true") || says(c, "allowed", "false") ? "allowed" : "federation";
}

/* The loader only says that nobody is left. */
static enum ctl_exit refuse_last(const struct change *c, const char *name, const char *user, const char *off)
{
	return change_refuse(c,
		"%s is the last one that the rule %s names, and it has to name somebody: access remove %s takes it away, and the next rule decides "
		"about him; access set %s %s=false leaves it and lets nobody whom it names",
		user, name, name, name, off);
}

static enum ctl_exit refuse_unnamed(const struct change *c, const char *name, const char *user)
{
	return change_refuse(c, "%s is not named in the rule %s: access show %s says who is", user, name, name);
}

static bool names_somebody(struct xfed_span text)
{
	while (text.len > 0) {
		struct xfed_span line = xfed_span_trim(xfed_span_cut(&text, '\n'));
		if (line.len > 0 && line.data[0] != '#' && line.data[0] != '\r') {
			return true;
		}
	}
	return false;
}

static enum ctl_exit change_users(struct change *c, const char *file, const char *user, struct xfed_span normal, const char *revoked_of)
{
	int rc = XFED_OK;
	const char *off = switch_of(c);
	bool is_grant = !revoked_of;
	enum ctl_exit exit = open_users(c, file);
	if (exit != CTL_FINE) {
		return exit;
	}
	size_t found = copy_others(c, normal, &rc);
	if (rc == XFED_OK && is_grant && found == 0) {
		rc = add_line(c, user);
	} else if (rc == XFED_OK && is_grant) {
		xfed_buf_clear(&c->is);
		rc = xfed_buf_append(&c->is, xfed_buf_span(&c->was));
	}
	if (rc != XFED_OK) {
		return change_refuse(c, "out of memory, or %s would be larger than %d bytes", file, ACCESS_GRANTED_FILE_BYTES);
	}
	if (rc == XFED_OK && !is_grant && found == 0) {
		return refuse_unnamed(c, revoked_of, user);
	}
	if (!is_grant && !names_somebody(xfed_buf_span(&c->is))) {
		return refuse_last(c, revoked_of, user, off);
	}
	return change_make(c);
}

/* ---- grant and revoke ---- */

/* The rule's granted_to_file; "": it has none. */
static enum ctl_exit users_file(struct change *c, char out[PATH_MAX])
{
	char error[RT_CONF_EDIT_ERROR];
	struct xfed_buf path;
	xfed_buf_init(&path, PATH_MAX - 1);
	int rc = rt_conf_value(c->file, xfed_buf_span(&c->was), "granted_to_file", &path, error);
	struct xfed_span s = xfed_buf_span(&path);
	snprintf(out, PATH_MAX, "%.*s", (int)s.len, s.data);
	xfed_buf_deinit(&path);
	if (rc != XFED_OK && rc != XFED_ERR_NOT_FOUND) {
		return change_refuse(c, "%s", error);
	}
	return out[0] == '\0' || out[0] == '/' ? CTL_FINE : change_refuse(c, "%s: granted_to_file is no absolute path", c->file);
}

static enum ctl_exit grant_user(struct change *c, const char *user, struct xfed_span normal)
{
	char path[PATH_MAX], error[RT_CONF_EDIT_ERROR];
	enum ctl_exit exit = users_file(c, path);
	if (!is_on(c)) {
		change_note(c, "the rule is off: it forbids whom it names");
	}
	if (exit != CTL_FINE || path[0]) {
		return exit == CTL_FINE ? change_users(c, path, user, normal, NULL) : exit;
	}
	int rc = rt_conf_add_item(&access_file_table, c->file, xfed_buf_span(&c->was), "granted_to", user, &c->is, error);
	if (rc == XFED_ERR_NOT_FOUND) {
		rc = xfed_buf_append(&c->is, xfed_buf_span(&c->was)); /* named already */
	}
	return rc == XFED_OK ? change_make(c) : change_refuse(c, "%s", error);
}

static enum ctl_exit revoke_user(struct change *c, const char *name, const char *user, struct xfed_span normal)
{
	size_t left = 0;
	char path[PATH_MAX], error[RT_CONF_EDIT_ERROR];
	enum ctl_exit exit = users_file(c, path);
	if (exit != CTL_FINE) {
		return exit;
	}
	int rc = rt_conf_remove_item(&access_file_table, c->file, xfed_buf_span(&c->was), "granted_to", user, &c->is, error);
	int counted = rc == XFED_OK ? rt_conf_count(c->file, xfed_buf_span(&c->is), "granted_to", &left, error) : rc;
	if (rc == XFED_OK && counted != XFED_OK) {
		return change_refuse(c, "%s", error);
	}
	if (rc == XFED_OK && left == 0 && !path[0]) {
		return refuse_last(c, name, user, switch_of(c));
	}
	if (rc == XFED_OK) {
		if (path[0]) {
			change_note(c, "who stands in %s too still is named there: say it again", path);
		}
		return change_make(c);
	}
	if (rc == XFED_ERR_NOT_FOUND && path[0]) {
		return change_users(c, path, user, normal, name);
	}
	return rc == XFED_ERR_NOT_FOUND ? refuse_unnamed(c, name, user) : change_refuse(c, "%s", error);
}

static enum ctl_exit name_user(const json_t *args, const struct ctl_options *options, bool is_grant)
{
	struct change c;
	struct xfed_arena a;
	struct xfed_span normal;
	const char *accepted, *user = ctl_str(args, "user");
	xfed_arena_init(&a, 65536);
	enum ctl_exit rc = change_open(&c, is_grant ? "access grant" : "access revoke", args, options);
	if (rc == CTL_FINE && access_convert_user(&a, xfed_span_str(user), &normal, &accepted) != XFED_OK) {
		rc = change_refuse(&c, "found \"%.200s\", accepted: %s", user, accepted);
	}
	rc = rc == CTL_FINE ? open_rule(&c, ctl_str(args, "name")) : rc;
	if (rc == CTL_FINE) {
		rc = is_grant ? grant_user(&c, user, normal) : revoke_user(&c, ctl_str(args, "name"), user, normal);
	}
	change_close(&c);
	xfed_arena_deinit(&a);
	return rc;
}

enum ctl_exit ctl_do_access_grant(const json_t *args, const struct ctl_options *options)
{
	return name_user(args, options, true);
}

enum ctl_exit ctl_do_access_revoke(const json_t *args, const struct ctl_options *options)
{
	return name_user(args, options, false);
}
