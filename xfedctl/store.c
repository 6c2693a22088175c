/*
 * store backup, store restore. The gateway makes and judges copies beside its store, in its own directory; what comes from there or goes
 * there is opened by name in that directory, never through a link, as whoever runs this may do more than the service.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "cert_host.h"
#include "change.h"
#include "place.h"
#include "xfed/limits.h"

#define MARK	   "SQLite format 3" /* how such a file begins */
#define UNIT_BYTES (RT_CONF_INSTANCE + 16)

static enum ctl_exit refuse(const struct ctl_options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum ctl_exit refuse(const struct ctl_options *o, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ctl_refuse(o, text);
}

static enum ctl_exit copy_bytes(const struct ctl_options *o, int from, const char *from_path, int to, const struct place *p)
{
	static char chunk[1 << 16];
	enum ctl_exit rc = CTL_FINE;
	ssize_t n = 1;
	while (rc == CTL_FINE && (n = read(from, chunk, sizeof(chunk))) > 0) {
		rc = place_write(p, to, xfed_span_make(chunk, (size_t)n));
	}
	return n < 0 ? place_fail(o, from_path, "cannot be read") : rc;
}

/* A file and no FIFO or device, which would have no end. */
static int open_source(const struct ctl_options *o, int dir, const char *name, const char *path, int flags)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | flags);
	if (fd < 0) {
		place_fail(o, path, "cannot be read");
	} else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		refuse(o, "%s: not a regular file", path);
		close(fd);
		fd = -1;
	}
	return fd;
}

/* What is no database at all is refused here: where the gateway does not run, nobody would say so before its next start. */
static int open_copy(const struct ctl_options *o, const char *file)
{
	char head[sizeof(MARK)]; /* with the zero at its end */
	struct stat st;
	int fd = open_source(o, AT_FDCWD, file, file, 0);
	if (fd >= 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size > XFED_STORE_COPY_BYTES)) {
		refuse(o, "%s: it is larger than a store can be", file);
		close(fd);
		fd = -1;
	}
	if (fd >= 0 && (pread(fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head, MARK, sizeof(head)) != 0)) {
		refuse(o, "%s: it is not a database: what can be restored is made by xfedctl store backup", file);
		close(fd);
		fd = -1;
	}
	return fd;
}

/* What systemctl calls the gateway of that file. */
static const char *unit_of(const char *config, char out[UNIT_BYTES])
{
	char name[RT_CONF_INSTANCE];
	bool is_instance = rt_conf_instance(config, "gateway", name) != NULL;
	snprintf(out, UNIT_BYTES, "xfed-gateway%s%s", is_instance ? "@" : "", is_instance ? name : "");
	return out;
}

static json_t *words(struct change *c)
{
	char name[64];
	return json_pack("{s:s, s:s*}", "command", c->command, "login", change_login(name));
}

static enum ctl_exit tell(const struct change *c, const json_t *j, void (*print)(const json_t *j))
{
	if (c->options->is_json) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
	} else {
		print(j);
	}
	return CTL_FINE;
}

/* ---- backup ---- */

static enum ctl_exit fetch(const struct change *c, const char *made, struct place *to)
{
	struct place from;
	enum ctl_exit rc = place_open(c->options, made, &from);
	int in = rc == CTL_FINE ? open_source(c->options, from.dir, from.name, made, O_NOFOLLOW) : -1;
	int out = in >= 0 ? place_begin(to) : -1;
	rc = out >= 0 ? copy_bytes(c->options, in, made, out, to) : CTL_PROBLEM;
	rc = rc == CTL_FINE ? place_end(to, out) : rc;
	if (in >= 0) {
		close(in);
	}
	if (out >= 0) {
		close(out);
	}
	place_close(&from);
	return rc;
}

static void print_backup(const json_t *j)
{
	printf("the store is in ");
	ctl_text(stdout, ctl_str(j, "file"));
	printf(": %lld bytes, schema %lld. It has the key of the store: keep it as you keep that.\n", (long long)ctl_int(j, "bytes"),
		(long long)ctl_int(j, "schema"));
}

static enum ctl_exit backup(struct change *c, const char *file)
{
	struct place to;
	char made[PATH_MAX];
	json_t *args, *copied = NULL, *gone = NULL;
	enum ctl_exit rc = place_open(c->options, file, &to);
	rc = rc == CTL_FINE ? place_check(&to, MARK) : rc;
	if (rc == CTL_FINE) {
		args = words(c);
		rc = change_ask(c, "snapshot", args, &copied);
		json_decref(args);
	}
	if (copied) { /* where it lies is known from gateway.yaml, not from what the service says */
		snprintf(made, sizeof(made), "%.4000s.backup", c->config->store.sqlite);
		rc = strcmp(ctl_str(copied, "file"), made) == 0
			     ? fetch(c, made, &to)
			     : change_refuse(c, "%s: the gateway uses another store than %s, which its file names now: it needs a restart",
				       c->service, c->config->store.sqlite);
		args = words(c);
		enum ctl_exit forgotten = change_ask(c, "forget", args, &gone);
		rc = rc == CTL_FINE ? forgotten : rc;
		json_decref(args);
		json_decref(gone);
	}
	if (rc == CTL_FINE) {
		json_object_set_new(copied, "file", json_string(file));
		rc = tell(c, copied, print_backup);
	}
	json_decref(copied);
	place_close(&to);
	return rc;
}

enum ctl_exit ctl_do_store_backup(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "store backup", args, options);
	rc = rc == CTL_FINE ? backup(&c, ctl_str(args, "file")) : rc;
	change_close(&c);
	return rc;
}

/* ---- restore ---- */

/* The service has to read and replace it. */
static enum ctl_exit give_away(const struct ctl_options *o, const struct place *p, int fd)
{
	struct stat dir;
	if (fstat(p->dir, &dir) != 0) {
		return place_fail(o, p->path, "its directory cannot be used");
	}
	return dir.st_uid == geteuid() || fchown(fd, dir.st_uid, dir.st_gid) == 0
		       ? CTL_FINE
		       : place_fail(o, p->path, "the copy cannot be given to the owner of the store's directory: ask as root");
}

/* The copy under its hidden name, still open; -1: why not has been told. */
static int bring(const struct ctl_options *o, const char *file, struct place *to)
{
	int in = open_copy(o, file);
	int out = in >= 0 ? place_begin(to) : -1;
	enum ctl_exit rc = out >= 0 ? copy_bytes(o, in, file, out, to) : CTL_PROBLEM;
	rc = rc == CTL_FINE ? give_away(o, to, out) : rc;
	if (rc == CTL_FINE && fsync(out) != 0) {
		rc = place_fail(o, to->path, "cannot be written");
	}
	if (in >= 0) {
		close(in);
	}
	if (out >= 0 && rc != CTL_FINE) {
		close(out);
	}
	return rc == CTL_FINE ? out : -1;
}

static void print_restore(const json_t *j)
{
	char made[32];
	printf("a copy of %s, schema %lld, with %lld contacts and %lld failures\n", ctl_time(ctl_int(j, "made"), made),
		(long long)ctl_int(j, "schema"), (long long)ctl_int(j, "contacts"), (long long)ctl_int(j, "failures"));
	if (json_is_true(json_object_get(j, "dry_run"))) {
		printf("it could be restored; nothing was changed\n");
		return;
	}
	printf("it waits in ");
	ctl_text(stdout, ctl_str(j, "file"));
	printf(" for the gateway's next start: systemctl restart %s. Until then the store is used as it is; remove that file, and nothing "
	       "is restored.\n",
		ctl_str(j, "unit"));
}

static enum ctl_exit restore(struct change *c, const char *file)
{
	struct place to;
	char staged[PATH_MAX + NAME_MAX], unit[UNIT_BYTES];
	json_t *taken = NULL;
	enum ctl_exit rc = place_open(c->options, c->config->store.sqlite, &to);
	int fd = rc == CTL_FINE ? bring(c->options, file, &to) : -1;
	rc = fd >= 0 ? CTL_FINE : CTL_PROBLEM;
	if (fd >= 0) {
		close(fd);
	}
	if (rc == CTL_FINE) {
		json_t *args = words(c);
		const char *slash = strrchr(to.path, '/');
		snprintf(staged, sizeof(staged), "%.*s/%s", (int)(slash - to.path), to.path, to.temporary);
		json_object_set_new(args, "file", json_string(staged));
		if (c->is_dry_run) {
			json_object_set_new(args, "dry-run", json_true());
		}
		rc = change_ask(c, "take", args, &taken);
		json_decref(args);
	}
	if (rc == CTL_FINE) {
		to.temporary[c->is_dry_run ? strlen(to.temporary) : 0] = '\0'; /* it is in its place */
		if (c->is_dry_run) {
			json_object_set_new(taken, "dry_run", json_true());
		}
		json_object_set_new(taken, "unit", json_string(unit_of(c->config_path, unit)));
		rc = tell(c, taken, print_restore);
	}
	json_decref(taken);
	place_close(&to);
	return rc;
}

/* ---- restore for a gateway that does not run, as it may not be able to with the store that it has ---- */

static enum ctl_exit wait_there(const struct ctl_options *o, const struct cert_host *h, const char *file)
{
	struct place to;
	char path[PATH_MAX], unit[UNIT_BYTES];
	if (cert_host_is_running(h)) {
		return refuse(o, "%s runs: without --config it checks the copy itself", h->base->name);
	}
	snprintf(path, sizeof(path), "%.4000s.restore", h->gateway->store.sqlite);
	enum ctl_exit rc = place_open(o, path, &to);
	rc = rc == CTL_FINE ? place_check(&to, MARK) : rc;
	int fd = rc == CTL_FINE ? bring(o, file, &to) : -1;
	rc = fd >= 0 ? place_end(&to, fd) : CTL_PROBLEM;
	if (fd >= 0) {
		close(fd);
	}
	place_close(&to);
	if (rc == CTL_FINE && o->is_json) {
		json_t *j = json_pack("{s:s}", "file", path);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
	} else if (rc == CTL_FINE) {
		printf("it waits in ");
		ctl_text(stdout, path);
		printf(" for the gateway's next start, which checks it first: systemctl start %s\n", unit_of(h->path, unit));
	}
	return rc;
}

/* Without --config: true where the gateway that is meant is known and does not run, or has to be named; `*end` is then the exit status. */
static bool is_stopped(const json_t *args, const struct ctl_options *o, enum ctl_exit *end)
{
	struct cert_hosts hosts;
	char error[CERT_ERROR];
	if (o->socket || o->is_all) {
		return false;
	}
	bool is_known = cert_hosts_open(&hosts, CERT_OF_GATEWAYS, NULL, o->name, error) == XFED_OK;
	for (size_t i = 0; is_known && i < hosts.count; i++) {
		is_known = !cert_host_is_running(&hosts.items[i]);
	}
	if (is_known && hosts.count > 1) {
		*end = refuse(o, "none of the %zu gateways here runs: name the file of one: xfedctl store restore FILE --config %s", hosts.count,
			hosts.items[0].path);
	} else if (is_known && json_is_true(json_object_get(args, "dry-run"))) {
		*end = refuse(o, "--dry-run has the gateway check the copy, and %s does not run", hosts.items[0].base->name);
	} else if (is_known) {
		*end = wait_there(o, &hosts.items[0], ctl_str(args, "file"));
	}
	cert_hosts_close(&hosts);
	return is_known;
}

static enum ctl_exit restore_stopped(const json_t *args, const struct ctl_options *o)
{
	struct cert_hosts hosts;
	char error[CERT_ERROR];
	if (json_is_true(json_object_get(args, "dry-run"))) {
		return refuse(o, "--dry-run has the gateway check the copy, and with --config it is not asked");
	}
	int rc = cert_hosts_open(&hosts, CERT_OF_GATEWAYS, ctl_str(args, "config"), NULL, error);
	enum ctl_exit end = rc == XFED_OK	   ? wait_there(o, &hosts.items[0], ctl_str(args, "file"))
			    : rc == XFED_ERR_NOMEM ? refuse(o, "out of memory")
						   : refuse(o, "%s", error);
	cert_hosts_close(&hosts);
	return end;
}

enum ctl_exit ctl_do_store_restore(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc;
	if (json_object_get(args, "config")) {
		return restore_stopped(args, options);
	}
	if (is_stopped(args, options, &rc)) {
		return rc;
	}
	rc = change_open(&c, "store restore", args, options);
	rc = rc == CTL_FINE ? restore(&c, ctl_str(args, "file")) : rc;
	change_close(&c);
	return rc;
}
