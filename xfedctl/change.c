#include "change.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "xfed/rt/conf.h"

#define PATIENCE_MS 10000 /* while the gateway is busy */
#define PAUSE_MS    100

enum ctl_exit change_refuse(const struct change *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ctl_refuse(c->options, text);
}

void change_note(struct change *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(c->notes, json_string(text));
}

/* ---- asking the gateway ---- */

enum ctl_exit change_ask(struct change *c, const char *verb, json_t *args, json_t **result)
{
	char error[256];
	json_t *answer = NULL;
	const char *code = "busy";
	for (int left_ms = PATIENCE_MS; strcmp(code, "busy") == 0 && left_ms > 0; left_ms -= PAUSE_MS) {
		struct timespec pause = { .tv_nsec = left_ms < PATIENCE_MS ? PAUSE_MS * 1000000 : 0 };
		nanosleep(&pause, NULL);
		json_decref(answer);
		if (ctl_ask(c->socket, "change", verb, args, NULL, &answer, error) != XFED_OK) {
			return change_refuse(c, "%s: %s", c->service, error);
		}
		code = ctl_str(json_object_get(answer, "error"), "code");
	}
	*result = json_incref(json_object_get(answer, "result"));
	enum ctl_exit rc = CTL_FINE;
	if (!*result && strcmp(code, "unknown-command") == 0) {
		rc = change_refuse(
			c, "%s is an edge, or an older gateway: files are changed on the inside host, where xfed-gateway runs", c->service);
	} else if (!*result) {
		rc = change_refuse(c, "%s: %s", c->service, ctl_str(json_object_get(answer, "error"), "text"));
	}
	json_decref(answer);
	return rc;
}

/* Of several sockets, the one of a gateway. */
static enum ctl_exit find_gateway(struct change *c)
{
	char *paths[CTL_SOCKETS_MAX], error[256], names[512] = "";
	size_t count = ctl_find(CTL_RUN_DIR, paths, CTL_SOCKETS_MAX), found = 0, len = 0;
	for (size_t i = 0; i < count; i++) {
		json_t *answer = NULL;
		bool is_one = count == 1 || (ctl_ask(paths[i], "change", "files", NULL, NULL, &answer, error) == XFED_OK &&
						    json_is_true(json_object_get(answer, "ok")));
		json_decref(answer);
		if (is_one && found++ == 0) {
			snprintf(c->socket, sizeof(c->socket), "%s", paths[i]);
		}
		if (is_one && len < sizeof(names)) {
			len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", ctl_name_of(paths[i], c->service));
		}
		free(paths[i]);
	}
	if (found > 1) {
		change_refuse(c, "several gateways run here, choose with --name:%s", names);
		return CTL_USAGE;
	}
	return found == 1 ? CTL_FINE : change_refuse(c, "no gateway answers here: files are changed on the inside host, where xfed-gateway runs");
}

static enum ctl_exit find_socket(struct change *c)
{
	const struct ctl_options *o = c->options;
	if (o->is_all) {
		change_refuse(c, "one gateway's files are changed at a time: choose with --name");
		return CTL_USAGE;
	}
	enum ctl_exit rc = CTL_FINE;
	if (o->socket || o->name) {
		snprintf(c->socket, sizeof(c->socket), "%s%s%s", o->socket ? "" : CTL_RUN_DIR "/", o->socket ? o->socket : o->name,
			o->socket ? "" : ".sock");
	} else {
		rc = find_gateway(c);
	}
	ctl_name_of(c->socket, c->service);
	return rc;
}

/* ---- where the files are ---- */

static enum ctl_exit check_owner(const struct change *c)
{
	char error[FOLDER_OWNER_ERROR];
	return folder_check_owner(c->config_path, error) == XFED_OK ? CTL_FINE : change_refuse(c, "%s", error);
}

/* What the service says is not where an errand is carried out: that is settled when the writer starts. */
static enum ctl_exit check_config(const struct change *c)
{
	const struct ctl_errand *e = c->options->errand;
	char ours[PATH_MAX];
	if (e && (!realpath(e->config, ours) || strcmp(ours, c->config_path) != 0)) {
		return change_refuse(c, "%s has another configuration, %s, than the writer is for, %s", c->service, c->config_path, e->config);
	}
	return CTL_FINE;
}

static enum ctl_exit load_config(struct change *c)
{
	struct rt_conf_errors *errors = calloc(1, sizeof(*errors));
	if (!errors) {
		return change_refuse(c, "out of memory");
	}
	rt_conf_errors_init(errors);
	enum ctl_exit rc = CTL_FINE;
	if (config_load(c->config_path, errors, &c->config) != XFED_OK) {
		const struct rt_conf_problem *p = &errors->items[0];
		rc = change_refuse(c, "%s:%u: %s", c->config_path, p->line, errors->count > 0 ? p->text : "cannot be loaded");
	} else {
		c->config->base.doc.errors = NULL;
	}
	rt_conf_errors_deinit(errors);
	free(errors);
	return rc;
}

/* ---- who, and what ---- */

static void add_word(struct change *c, const char *word)
{
	size_t len = strlen(c->command);
	snprintf(c->command + len, sizeof(c->command) - len, "%s%s", len > 0 ? " " : "", word);
}

static void describe(struct change *c, const char *verb, const json_t *args)
{
	static const char *const keys[] = { "do", "domain", "name", "role", "user", "key", "value", "file" };
	size_t i;
	json_t *setting;
	add_word(c, verb);
	for (i = 0; i < XFED_ARRAY_LEN(keys); i++) {
		const char *word = json_string_value(json_object_get(args, keys[i]));
		if (word) {
			add_word(c, word);
		}
	}
	json_array_foreach(json_object_get(args, "settings"), i, setting) {
		add_word(c, json_string_value(setting));
	}
}

static int type(struct change *c, const char *verb, const json_t *args)
{
	int rc = XFED_ERR_INVALID;
	json_t *said = json_copy((json_t *)(uintptr_t)args);
	json_object_del(said, "dry-run");
	for (const struct rt_command *r = rt_commands; said && r < rt_commands + RT_COMMAND_COUNT && rc == XFED_ERR_INVALID; r++) {
		size_t len = strlen(r->noun);
		if (strncmp(verb, r->noun, len) == 0 && verb[len] == ' ' && strcmp(verb + len + 1, r->verb) == 0) {
			rc = rt_command_typed(r, said, &c->typed);
		}
	}
	json_decref(said);
	return rc;
}

const char *change_login(char out[64])
{
	unsigned uid;
	FILE *f = fopen("/proc/self/loginuid", "r");
	bool is_known = f && fscanf(f, "%u", &uid) == 1 && uid != (unsigned)-1;
	if (f) {
		fclose(f);
	}
	const struct passwd *p = is_known ? getpwuid(uid) : NULL;
	const char *name = p ? p->pw_name : is_known ? NULL : getenv("SUDO_USER");
	snprintf(out, 64, "%.60s", name ? name : "");
	return out[0] ? out : NULL;
}

enum ctl_exit change_open(struct change *c, const char *verb, const json_t *args, const struct ctl_options *options)
{
	json_t *files = NULL;
	*c = (struct change){ .options = options,
		.is_dry_run = json_is_true(json_object_get(args, "dry-run")),
		.notes = json_array(),
		.save = { .dir = -1, .link_dir = -1 } };
	xfed_buf_init(&c->typed, 2 * XFED_CONTROL_REQUEST_BYTES);
	describe(c, verb, args);
	if (type(c, verb, args) != XFED_OK) {
		return change_refuse(c, "out of memory, or a command that is too long");
	}
	enum ctl_exit rc = find_socket(c);
	rc = rc == CTL_FINE ? change_ask(c, "files", NULL, &files) : rc;
	if (rc == CTL_FINE) {
		snprintf(c->config_path, sizeof(c->config_path), "%s", ctl_str(files, "config"));
		rc = check_config(c);
		rc = rc == CTL_FINE ? check_owner(c) : rc;
	}
	rc = rc == CTL_FINE ? load_config(c) : rc;
	json_decref(files);
	return rc;
}

static int hash(struct change *c, bool exists)
{
	struct xfed_span text = xfed_buf_span(&c->was);
	unsigned char digest[32];
	snprintf(c->hash, sizeof(c->hash), "none");
	if (exists && gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data ? text.data : "", text.len, digest) != 0) {
		return XFED_ERR_LIBRARY;
	}
	for (size_t i = 0; exists && i < sizeof(digest); i++) {
		snprintf(c->hash + 2 * i, 3, "%02x", digest[i]);
	}
	return XFED_OK;
}

/* Whoever edits a file that another has changed since would undo that without knowing it. */
static enum ctl_exit check_expected(const struct change *c)
{
	char text[PATH_MAX + 128];
	const struct ctl_errand *e = c->options->errand;
	if (!e || !e->expect || strcmp(e->expect, c->hash) == 0) {
		return CTL_FINE;
	}
	snprintf(text, sizeof(text), "%s has been changed since it was shown: nothing is saved; look at it, and say it again", c->file);
	return ctl_refuse_as(c->options, "changed", text);
}

enum ctl_exit change_read(struct change *c, size_t max, bool *exists)
{
	char error[SAVE_ERROR];
	int rc = save_open(&c->save, c->file, max, &c->was, error);
	xfed_buf_init(&c->is, max);
	*exists = rc == XFED_OK;
	if (rc != XFED_OK && rc != XFED_ERR_NOT_FOUND) {
		return change_refuse(c, "%s", error);
	}
	return hash(c, *exists) == XFED_OK ? check_expected(c) : change_refuse(c, "the hash of %s cannot be made", c->file);
}

void change_close(struct change *c)
{
	save_close(&c->save);
	xfed_buf_deinit(&c->was);
	xfed_buf_deinit(&c->is);
	xfed_buf_deinit(&c->typed);
	config_free(c->config);
	json_decref(c->notes);
	json_decref(c->answer);
}

/* ---- what is told ---- */

/* Of the changed file, or its directory; how many others there are is said. */
static void print_warnings(const struct change *c, const json_t *result)
{
	const char *slash = strrchr(c->file, '/');
	size_t i, others = 0, dir = slash ? (size_t)(slash - c->file) : 0;
	json_t *text;
	json_array_foreach(json_object_get(result, "warnings"), i, text) {
		const char *s = json_string_value(text);
		bool is_ours = strncmp(s, c->file, strlen(c->file)) == 0 || (strncmp(s, c->file, dir) == 0 && s[dir] == ':');
		others += !is_ours;
		if (is_ours) {
			ctl_text(stdout, s);
			printf("\n");
		}
	}
	if (others > 0) {
		printf("%zu warning%s about other files: xfedctl config check\n", others, others == 1 ? "" : "s");
	}
}

static void print_effects(const json_t *result)
{
	size_t i;
	json_t *effect;
	json_array_foreach(json_object_get(result, "effects"), i, effect) {
		printf("effect: ");
		ctl_text(stdout, ctl_str(effect, "text"));
		printf("\n");
	}
}

static void print_end(const struct change *c, const json_t *result)
{
	size_t i;
	json_t *key;
	if (!json_is_true(json_object_get(result, "ok"))) {
		printf(json_is_true(json_object_get(result, "saved")) ? "saved, and not in force: what was in force before still is\n"
								      : "nothing is saved\n");
	} else if (!json_is_true(json_object_get(result, "changed"))) {
		printf("it says so already: nothing is changed\n");
	} else if (c->is_dry_run) {
		printf("all files are fine with it; nothing is saved (--dry-run)\n");
	} else {
		printf("saved, and in force\n");
	}
	json_array_foreach(json_object_get(result, "needs_restart"), i, key) {
		printf("needs a restart to take effect: %s\n", json_string_value(key));
	}
}

/* Steals nothing; `c->answer` is what the gateway said last, NULL: it was not asked. */
static enum ctl_exit tell(const struct change *c, bool is_changed, bool is_saved)
{
	struct xfed_buf diff;
	xfed_buf_init(&diff, 4 * RT_CONF_FILE_BYTES);
	bool has_diff = is_changed && !c->is_secret && ctl_diff(xfed_buf_span(&c->was), xfed_buf_span(&c->is), &diff);
	struct xfed_span text = xfed_buf_span(&diff);
	json_t *j = c->answer ? json_copy(c->answer) : json_pack("{s:b, s:[], s:[]}", "ok", 1, "errors", "warnings");
	json_object_del(j, "change");
	json_object_set_new(j, "file", json_string(c->file));
	json_object_set_new(j, "changed", json_boolean(is_changed));
	json_object_set_new(j, "saved", json_boolean(is_saved));
	json_object_set_new(j, "diff", json_stringn(has_diff ? text.data : "", has_diff ? text.len : 0));
	json_object_set(j, "notes", c->notes);
	json_object_set_new(j, "command", json_stringn(xfed_buf_span(&c->typed).data, xfed_buf_span(&c->typed).len));
	json_object_set_new(j, "hash", json_string(c->hash));
	if (c->options->errand) {
		json_decref(c->options->errand->answer);
		c->options->errand->answer = json_incref(j);
	} else if (c->options->is_json) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
	} else {
		ctl_print_diff(j);
		ctl_print_texts("", json_object_get(j, "errors"));
		print_warnings(c, j);
		ctl_print_texts("note: ", json_object_get(j, "notes"));
		print_effects(j);
		print_end(c, j);
	}
	bool is_fine = json_is_true(json_object_get(j, "ok"));
	json_decref(j);
	xfed_buf_deinit(&diff);
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}

/* ---- into force ---- */

/* Of whom the audit log tells. */
static void set_who(const struct change *c, json_t *args)
{
	char name[64];
	const struct ctl_errand *e = c->options->errand;
	const char *login = e ? e->login : change_login(name);
	if (login) {
		json_object_set_new(args, "login", json_string(login));
	}
	if (e) {
		json_object_set_new(args, "from", json_string(e->from));
	}
}

static enum ctl_exit try(struct change *c, json_int_t *id)
{
	json_t *args = json_pack("{s:s, s:s, s:s*}", "command", c->command, "file", c->file, "with", c->is_gone ? NULL : c->save.temporary);
	set_who(c, args);
	enum ctl_exit rc = change_ask(c, c->is_dry_run ? "check" : "begin", args, &c->answer);
	*id = ctl_int(c->answer, "change");
	json_decref(args);
	return rc;
}

static enum ctl_exit drop(struct change *c, json_int_t id)
{
	json_t *args = json_pack("{s:I}", "id", id), *answer = NULL;
	enum ctl_exit rc = change_ask(c, "drop", args, &answer);
	json_decref(args);
	json_decref(answer);
	return rc;
}

static enum ctl_exit finish(struct change *c, json_int_t id)
{
	json_t *args = json_pack("{s:I, s:s, s:s}", "id", id, "command", c->command, "file", c->file);
	set_who(c, args);
	json_decref(c->answer);
	c->answer = NULL;
	enum ctl_exit rc = change_ask(c, "finish", args, &c->answer);
	json_decref(args);
	return rc;
}

static enum ctl_exit save_and_reload(struct change *c, json_int_t id)
{
	char error[SAVE_ERROR];
	if (save_commit(&c->save, xfed_buf_span(&c->was), error) != XFED_OK) {
		(void)drop(c, id); /* the gateway lets go by itself, too */
		return change_refuse(c, "%s", error);
	}
	enum ctl_exit rc = finish(c, id);
	if (rc != CTL_FINE && c->options->errand) {
		return change_refuse(c, "%s is saved, and not in force: xfedctl reload", c->file);
	}
	if (rc != CTL_FINE) {
		fprintf(stderr, "xfedctl: %s is saved, and not in force: xfedctl reload\n", c->file);
		return rc;
	}
	return tell(c, true, true);
}

static enum ctl_exit make(struct change *c)
{
	char error[SAVE_ERROR];
	json_int_t id;
	if (!c->is_gone && save_prepare(&c->save, xfed_buf_span(&c->is), error) != XFED_OK) {
		return change_refuse(c, "%s", error);
	}
	enum ctl_exit rc = try(c, &id);
	if (rc != CTL_FINE) {
		return rc;
	}
	bool is_fine = json_is_true(json_object_get(c->answer, "ok"));
	return is_fine && !c->is_dry_run ? save_and_reload(c, id) : tell(c, true, false);
}

/* An end in the middle would leave the temporary file behind, or a file that is saved and not in force: it waits for the last step. */
enum ctl_exit change_make(struct change *c)
{
	sigset_t ends, old;
	if (!c->is_gone && xfed_span_eq(xfed_buf_span(&c->was), xfed_buf_span(&c->is))) {
		return tell(c, false, false);
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &old);
	enum ctl_exit rc = make(c);
	save_close(&c->save);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}
