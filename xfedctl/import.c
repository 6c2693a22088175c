/* config import: such a file is judged as a whole, shown as what it would change, and brought into force, or all is as it was. */
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "change.h"
#include "export_file.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"
#include "folder.h"
#include "import.h"
#include "xfed/mem.h"
#include "xfed/policy.h"

/* ---- where it may write ---- */

static enum ctl_exit check_places(struct importing *m)
{
	const char *config = cert_run_arg(m->run, "config");
	char file[PATH_MAX];
	size_t i;
	json_t *path, *item;
	folder_of(config ? config : FOLDER_CONFIG "/gateway.yaml", file, m->dir);
	m->run->plan.folder = m->dir;
	json_array_foreach(json_object_get(m->what, "services"), i, path) {
		const char *service = json_string_value(path);
		if (config && strcmp(service, file) != 0) {
			return cert_run_fail(m->run, "it has %s, which is not the file that --config means", service);
		}
		if (!json_object_get(m->by_path, service)) {
			return cert_run_fail(m->run, "it names the service %s, whose text is not in it", service);
		}
		if (!import_is_of_services(m, service)) {
			return cert_run_fail(m->run, "it names the service %s, which is not below %s as files of services are", service, m->dir);
		}
	}
	if (i == 0) {
		return cert_run_fail(m->run, "it has no service");
	}
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		const char *coming = ctl_str(item, "path");
		if (!folder_has(m->dir, coming)) {
			return cert_run_fail(m->run, "it has %s, which is not below %s", coming, m->dir);
		}
	}
	return CTL_FINE;
}

/* ---- judging it ---- */

static enum ctl_exit tell_errors(struct importing *m, const char *staged, const char *dir)
{
	for (size_t i = 0; i < m->errors->count; i++) {
		const struct rt_conf_problem *p = &m->errors->items[i];
		const char *file = p->file ? p->file : "";
		bool is_staged = staged && strncmp(file, staged, strlen(staged)) == 0;
		if (!p->is_warning) {
			return cert_run_fail(m->run, "%s%s:%u: %s%s%s", is_staged ? dir : "", is_staged ? file + strlen(staged) : file, p->line,
				p->key ? p->key : "", p->key && p->key[0] ? ": " : "", p->text);
		}
	}
	return cert_run_refuse(m->run, XFED_ERR_NOMEM);
}

/* Writes a text into the stage, as what others read by its path. */
static int stage(struct importing *m, const char *name, struct xfed_span text, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", m->stage, name);
	FILE *f = fopen(path, "wex");
	bool is_done = f && (text.len == 0 || fwrite(text.data, 1, text.len, f) == text.len);
	is_done = f && fclose(f) == 0 && is_done;
	if (!is_done) {
		snprintf(m->run->error, sizeof(m->run->error), "%.200s: cannot be written: %s", path, strerror(errno));
	}
	return is_done ? XFED_OK : XFED_ERR_INVALID;
}

static void unstage(struct importing *m)
{
	DIR *d = m->stage[0] ? opendir(m->stage) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d) {
		closedir(d);
		rmdir(m->stage);
	}
	m->stage[0] = '\0';
}

static enum ctl_exit begin_stage(struct importing *m)
{
	unstage(m);
	snprintf(m->stage, sizeof(m->stage), "/tmp/xfed-import-XXXXXX");
	if (!mkdtemp(m->stage)) {
		m->stage[0] = '\0';
		return cert_run_fail(m->run, "/tmp: %s", strerror(errno));
	}
	return CTL_FINE;
}

/* All together, as names may be claimed twice. */
static enum ctl_exit judge_partners(struct importing *m, struct config *c)
{
	struct partner_presence *presence = NULL;
	struct xfed_policy *policy = NULL;
	size_t i;
	json_t *item;
	char path[PATH_MAX];
	enum ctl_exit rc = begin_stage(m);
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		const char *file = ctl_str(item, "path");
		if (rc == CTL_FINE && import_is_in(file, c->partners_dir) &&
			stage(m, strrchr(file, '/') + 1, import_text(m, file), path) != XFED_OK) {
			rc = cert_run_refuse(m->run, XFED_ERR_INVALID);
		}
	}
	const char *secret = c->dialback.secret_file;
	c->dialback.secret_file = NULL; /* it does not travel */
	if (rc == CTL_FINE && partner_dir_load(m->stage, c, NULL, NULL, m->errors, &presence, &policy) != XFED_OK) {
		rc = tell_errors(m, m->stage, c->partners_dir);
	}
	c->dialback.secret_file = secret;
	partner_presence_free(&presence);
	xfed_policy_free(policy);
	return rc;
}

/* A list of users that comes along is read in the place of the one that is here. */
static const char *list_of(void *user, const char *named)
{
	struct importing *m = user;
	char path[PATH_MAX], name[32];
	folder_tidy(named, path);
	import_name(m, path, COMING_LIST);
	if (!json_object_get(m->by_path, path)) {
		return named;
	}
	snprintf(name, sizeof(name), "list-%zu", m->staged++);
	m->is_unstaged = stage(m, name, import_text(m, path), m->list) != XFED_OK || m->is_unstaged;
	return m->list;
}

static enum ctl_exit judge_rule(struct importing *m, struct access_set *set, const char *file)
{
	int rc = access_set_add(set, file, import_text(m, file), m->errors);
	if (m->is_unstaged) {
		return cert_run_refuse(m->run, XFED_ERR_INVALID);
	}
	return rc == XFED_OK ? CTL_FINE : tell_errors(m, NULL, NULL);
}

static enum ctl_exit judge_rules(struct importing *m, const struct config *c)
{
	struct access_set *set = NULL;
	size_t i;
	json_t *item;
	enum ctl_exit rc = begin_stage(m);
	rc = rc == CTL_FINE && access_set_new(&set) != XFED_OK ? cert_run_refuse(m->run, XFED_ERR_NOMEM) : rc;
	if (set) {
		access_set_lists(set, list_of, m);
	}
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		const char *file = ctl_str(item, "path");
		if (rc == CTL_FINE && import_is_in(file, c->access_dir)) {
			rc = judge_rule(m, set, file);
		}
	}
	access_set_free(set);
	return rc;
}

static enum ctl_exit judge_service(struct importing *m, struct coming *s, const char *path)
{
	struct rt_conf_errors *other = xfed_calloc(1, sizeof(*other));
	if (!other) {
		return cert_run_refuse(m->run, XFED_ERR_NOMEM);
	}
	rt_conf_errors_init(other);
	s->path = path;
	(void)config_parse(path, import_text(m, path), m->errors, &s->gateway);
	(void)edge_config_parse(path, import_text(m, path), other, &s->edge);
	enum ctl_exit rc = CTL_FINE;
	if (s->edge) {
		s->edge->base.doc.errors = NULL;
	}
	if (s->gateway) {
		s->gateway->base.doc.errors = m->errors;
	}
	if (!s->edge && !s->gateway && other->error_count < m->errors->error_count) {
		struct rt_conf_errors *mine = m->errors;
		m->errors = other;
		rc = tell_errors(m, NULL, NULL);
		m->errors = mine;
	} else if (!s->edge && !s->gateway) {
		rc = tell_errors(m, NULL, NULL);
	}
	rt_conf_errors_deinit(other);
	xfed_free(other);
	return rc == CTL_FINE ? import_name_files(m, s) : rc;
}

static enum ctl_exit judge_all(struct importing *m)
{
	size_t i;
	json_t *path;
	const json_t *services = json_object_get(m->what, "services");
	enum ctl_exit rc = CTL_FINE;
	m->services = xfed_calloc(json_array_size(services), sizeof(*m->services));
	if (!m->services) {
		return cert_run_refuse(m->run, XFED_ERR_NOMEM);
	}
	json_array_foreach(services, i, path) {
		rt_conf_errors_deinit(m->errors);
		rt_conf_errors_init(m->errors);
		struct coming *s = &m->services[m->count++];
		rc = rc == CTL_FINE ? judge_service(m, s, json_string_value(path)) : rc;
		rc = rc == CTL_FINE && s->gateway ? judge_partners(m, s->gateway) : rc;
		rc = rc == CTL_FINE && s->gateway ? judge_rules(m, s->gateway) : rc;
	}
	unstage(m);
	return rc == CTL_FINE ? import_check_files(m) : rc;
}

/* ---- what would change ---- */

static void add_change(struct importing *m, const char *path, struct xfed_span was, struct xfed_span is)
{
	struct xfed_buf diff;
	xfed_buf_init(&diff, 4 * EXPORT_FILE_BYTES); /* every line of both, each with a sign before it */
	bool has_diff = ctl_diff(was, is, &diff);
	struct xfed_span text = xfed_buf_span(&diff);
	json_array_append_new(
		m->changes, json_pack("{s:s, s:o}", "file", path, "diff", json_stringn(has_diff ? text.data : "", has_diff ? text.len : 0)));
	xfed_buf_deinit(&diff);
}

static int plan_dirs(struct importing *m, const char *path)
{
	char copy[PATH_MAX];
	struct stat st;
	snprintf(copy, sizeof(copy), "%s", path);
	const char *dir = dirname(copy);
	return stat(dir, &st) == 0 ? XFED_OK : cert_plan_dir(&m->run->plan, dir, 0755, m->run->error);
}

static enum ctl_exit plan_file(struct importing *m, const char *path)
{
	struct xfed_buf was;
	struct xfed_span is = import_text(m, path);
	int rc = cert_file_read_most(path, EXPORT_FILE_BYTES, &was, m->run->error);
	bool is_same = rc == XFED_OK && xfed_span_eq(xfed_buf_span(&was), is);
	if (rc == XFED_OK && !is_same && !import_is_of_kind(m, path, xfed_buf_span(&was))) {
		snprintf(m->run->error, sizeof(m->run->error), "%.300s: is there already, and is something else", path);
		rc = XFED_ERR_INVALID;
	}
	rc = rc == XFED_ERR_NOT_FOUND ? XFED_OK : rc;
	if (rc == XFED_OK && !is_same) {
		add_change(m, path, xfed_buf_span(&was), is);
		rc = plan_dirs(m, path);
		rc = rc == XFED_OK ? cert_plan_add(&m->run->plan, path, is, CERT_PLAN_TEXT, m->run->error) : rc;
	}
	xfed_buf_deinit(&was);
	return rc == XFED_OK ? CTL_FINE : cert_run_refuse(m->run, rc);
}

/* Partners and rules that are here and do not come. */
static enum ctl_exit plan_removals(struct importing *m, const char *named)
{
	struct dirent **list = NULL;
	char dir[PATH_MAX], real[PATH_MAX];
	folder_tidy(named, dir);
	if (!realpath(dir, real) || json_object_get(m->looked_at, real)) {
		return CTL_FINE;
	}
	json_object_set_new(m->looked_at, real, json_true());
	if (!folder_really_has(m->dir, dir)) { /* which config export leaves out, too */
		cert_run_add(m->run->notes, "what is in %s stays as it is: it is not below %s", dir, m->dir);
		return CTL_FINE;
	}
	int count = scandir(dir, &list, NULL, alphasort), rc = XFED_OK;
	if (count < 0) {
		return cert_run_fail(m->run, "%s: %s", dir, strerror(errno));
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		struct xfed_buf was;
		bool is_one = snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) < (int)sizeof(path) && import_has_yaml_name(path);
		if (rc == XFED_OK && is_one && !json_object_get(m->by_path, path)) {
			rc = cert_file_read_most(path, EXPORT_FILE_BYTES, &was, m->run->error);
			if (rc == XFED_OK) {
				add_change(m, path, xfed_buf_span(&was), (struct xfed_span){ NULL, 0 });
				rc = cert_plan_remove(&m->run->plan, path, m->run->error);
			}
			xfed_buf_deinit(&was);
		}
		free(list[i]);
	}
	free(list);
	return rc == XFED_OK ? CTL_FINE : cert_run_refuse(m->run, rc);
}

static enum ctl_exit plan_all(struct importing *m)
{
	size_t i;
	json_t *item;
	enum ctl_exit rc = CTL_FINE;
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		rc = rc == CTL_FINE ? plan_file(m, ctl_str(item, "path")) : rc;
	}
	for (size_t n = 0; n < m->count; n++) {
		const struct config *c = m->services[n].gateway;
		rc = rc == CTL_FINE && c ? plan_removals(m, c->partners_dir) : rc;
		rc = rc == CTL_FINE && c ? plan_removals(m, c->access_dir) : rc;
	}
	return rc;
}

/* ---- into force ---- */

/* To the system's log: the services know of the reload, and may not even run. */
static void audit(const struct importing *m, const char *outcome)
{
	char name[64];
	const char *login = change_login(name);
	openlog("xfedctl", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "event=audit.command command=\"config import %.300s\" uid=%u login=%s files=%zu outcome=%s", cert_run_arg(m->run, "file"),
		(unsigned)getuid(), login ? login : "-", json_array_size(m->changes), outcome);
	closelog();
}

static enum ctl_exit reload(struct importing *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct coming *s = &m->services[i];
		const struct rt_conf_base *base = s->edge ? &s->edge->base : &s->gateway->base;
		struct cert_host h = { .edge = s->edge, .gateway = s->gateway, .base = (struct rt_conf_base *)(uintptr_t)base };
		char why[CERT_ERROR], again[CERT_ERROR];
		switch (cert_host_reload(&h, why)) {
		case CERT_SERVICE_FINE:
			cert_run_add(m->run->done, "%s has them in force", base->name);
			break;
		case CERT_SERVICE_DOWN:
			cert_run_add(m->run->notes, "%s does not run: it reads them when it starts", base->name);
			break;
		case CERT_SERVICE_REFUSES: {
			int rc = cert_plan_undo(&m->run->plan, again);
			for (size_t k = 0; k <= i && rc == XFED_OK; k++) {
				const struct coming *before = &m->services[k];
				h.edge = before->edge;
				h.gateway = before->gateway;
				h.base = before->edge ? &before->edge->base : &before->gateway->base;
				(void)cert_host_reload(&h, again); /* what was in force is there again */
			}
			return cert_run_fail(
				m->run, "%s does not take the files, and %s: %s", base->name, rc == XFED_OK ? "all is as it was" : again, why);
		}
		}
	}
	return CTL_FINE;
}

static void print_changes(const struct importing *m)
{
	size_t i;
	json_t *change;
	json_array_foreach(m->changes, i, change) {
		ctl_print_diff(change);
	}
}

static enum ctl_exit tell(struct importing *m, bool is_dry_run)
{
	if (m->run->options->is_json) {
		json_t *j = json_pack("{s:b, s:b, s:O, s:O, s:O}", "ok", 1, "saved", !is_dry_run && json_array_size(m->changes) > 0, "changes",
			m->changes, "done", m->run->done, "notes", m->run->notes);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
		return CTL_FINE;
	}
	print_changes(m);
	return cert_run_tell(m->run);
}

static enum ctl_exit apply(struct importing *m)
{
	bool is_dry_run = json_is_true(json_object_get(m->run->args, "dry-run"));
	if (json_array_size(m->changes) == 0) {
		cert_run_add(m->run->done, "nothing is changed: all files are so already");
	} else if (is_dry_run) {
		cert_run_add(m->run->done, "nothing was changed (--dry-run)");
	} else {
		int rc = cert_plan_commit(&m->run->plan, m->run->error);
		if (rc != XFED_OK) {
			return cert_run_refuse(m->run, rc);
		}
		enum ctl_exit end = reload(m);
		audit(m, end == CTL_FINE ? "in-place" : "taken-back");
		if (end != CTL_FINE) {
			return end;
		}
	}
	return tell(m, is_dry_run);
}

static enum ctl_exit read_file(struct importing *m)
{
	struct xfed_buf text;
	size_t i;
	json_t *item;
	char words[256], error[EXPORT_ERROR];
	const char *file = cert_run_arg(m->run, "file");
	if (rt_file_read(file, EXPORT_BYTES, &text, words) != XFED_OK) {
		return cert_run_fail(m->run, "%s", words);
	}
	int rc = export_parse(xfed_buf_span(&text), &m->what, error);
	xfed_buf_deinit(&text);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_NOMEM ? cert_run_refuse(m->run, rc) : cert_run_fail(m->run, "%s is no file of config export: %s", file, error);
	}
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		json_object_set(m->by_path, ctl_str(item, "path"), json_object_get(item, "text"));
	}
	return CTL_FINE;
}

static void importing_close(struct importing *m)
{
	unstage(m);
	for (size_t i = 0; i < m->count; i++) {
		edge_config_free(m->services[i].edge);
		config_free(m->services[i].gateway);
	}
	xfed_free(m->services);
	json_decref(m->what);
	json_decref(m->by_path);
	json_decref(m->named);
	json_decref(m->changes);
	json_decref(m->looked_at);
	if (m->errors) {
		rt_conf_errors_deinit(m->errors);
	}
	xfed_free(m->errors);
}

/* The plan keeps the directory of each file open. */
static void raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* without it fewer files can change at once, which is told */
	}
}

enum ctl_exit ctl_do_config_import(const json_t *args, const struct ctl_options *options)
{
	struct cert_run r = { .options = options, .args = args, .done = json_array(), .notes = json_array(), .next = json_array() };
	struct importing m = { .run = &r,
		.by_path = json_object(),
		.named = json_object(),
		.changes = json_array(),
		.looked_at = json_object(),
		.errors = xfed_calloc(1, sizeof(*m.errors)) };
	enum ctl_exit rc = m.errors ? CTL_FINE : cert_run_refuse(&r, XFED_ERR_NOMEM);
	cert_plan_init(&r.plan, geteuid(), getegid());
	r.plan.file_bytes = EXPORT_FILE_BYTES;
	raise_files();
	if (m.errors) {
		rt_conf_errors_init(m.errors);
	}
	if (rc == CTL_FINE && (options->socket || options->name || options->is_all)) {
		cert_run_fail(&r, "the files of this host are meant: only --config chooses among them");
		rc = CTL_USAGE;
	}
	rc = rc == CTL_FINE ? read_file(&m) : rc;
	rc = rc == CTL_FINE ? check_places(&m) : rc;
	rc = rc == CTL_FINE ? judge_all(&m) : rc;
	rc = rc == CTL_FINE ? plan_all(&m) : rc;
	rc = rc == CTL_FINE ? apply(&m) : rc;
	importing_close(&m);
	cert_run_close(&r);
	return rc;
}
