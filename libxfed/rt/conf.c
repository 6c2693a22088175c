#include "conf_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xfed/rt/sandbox.h"

/* ---- files ---- */

static int read_all(int fd, size_t max, struct xfed_buf *buf)
{
	for (;;) {
		size_t left = max - xfed_buf_len(buf);
		/* Reads one byte more than allowed, to distinguish a file of exactly `max` bytes from a longer one. */
		char chunk[4096];
		size_t want = left + 1 < sizeof(chunk) ? left + 1 : sizeof(chunk);
		ssize_t n = read(fd, chunk, want);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			xfed_wipe(chunk, sizeof(chunk));
			return n == 0 ? XFED_OK : XFED_ERR_LIBRARY;
		}
		int rc = xfed_buf_append(buf, xfed_span_make(chunk, (size_t)n));
		xfed_wipe(chunk, (size_t)n);
		if (rc != XFED_OK) {
			return rc;
		}
	}
}

const char *rt_errno_words(int err, char out[96])
{
	struct passwd pw, *user = NULL;
	char names[1024];
	bool is_of_user = err == EACCES && getpwuid_r(geteuid(), &pw, names, sizeof(names), &user) == 0 && user;
	snprintf(out, 96, "%s%s%.32s%s", strerror(err), is_of_user ? " for the user " : "", is_of_user ? pw.pw_name : "",
		err == EACCES ? " (namei -l shows who may)" : "");
	return out;
}

enum xfed_reason rt_file_reason(const char *path, enum xfed_reason otherwise)
{
	return path && rt_sandbox_is_outside(path) ? XFED_REASON_CONFIG_RESTART_NEEDED : otherwise;
}

const char *rt_file_words(const char *path, int err, char out[104])
{
	char words[96];
	bool is_outside = err == EACCES && rt_sandbox_is_outside(path);
	snprintf(out, 104, "%s",
		is_outside ? "outside of the folders that the service named when it started its sandbox; restart needed"
			   : rt_errno_words(err, words));
	return out;
}

int rt_file_read(const char *path, size_t max, struct xfed_buf *buf, char error[256])
{
	xfed_buf_init(buf, max);
	error[0] = '\0';
	/* O_NONBLOCK: opening a FIFO nobody writes to must not hang the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		char words[104];
		snprintf(error, 256, "%.150s: %s", path, rt_file_words(path, errno, words));
		return XFED_ERR_INVALID;
	}
	struct stat st;
	int rc;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		snprintf(error, 256, "%.180s: not a regular file", path);
		rc = XFED_ERR_INVALID;
	} else {
		rc = read_all(fd, max, buf);
		if (rc == XFED_ERR_LIMIT) {
			snprintf(error, 256, "%.180s: larger than %zu bytes", path, max);
		} else if (rc != XFED_OK) {
			snprintf(error, 256, "%.180s: %s", path, rc == XFED_ERR_NOMEM ? "out of memory" : strerror(errno));
		}
	}
	close(fd);
	if (rc != XFED_OK) {
		xfed_buf_wipe(buf);
	}
	return rc == XFED_OK || rc == XFED_ERR_NOMEM ? rc : XFED_ERR_INVALID;
}

int rt_conf_read(const char *path, struct xfed_buf *text, struct rt_conf_errors *errors)
{
	char error[256];
	int rc = rt_file_read(path, RT_CONF_FILE_BYTES, text, error);
	if (rc != XFED_OK) {
		size_t len = strlen(path);
		const char *said = strncmp(error, path, len) == 0 && strncmp(error + len, ": ", 2) == 0 ? error + len + 2 : error;
		rt_conf_errors_add(errors, false, rt_file_reason(path, XFED_REASON_CONFIG_SYNTAX), path, 0, 0, NULL, "cannot be read: %s", said);
	}
	return rc;
}

int rt_conf_load_file(struct rt_conf_doc *doc, const struct rt_conf_table *table, const char *path, struct rt_conf_errors *errors)
{
	struct xfed_buf text;
	*doc = (struct rt_conf_doc){ .table = table, .errors = errors };
	int rc = rt_conf_read(path, &text, errors);
	if (rc == XFED_OK) {
		rc = rt_conf_load(doc, table, path, xfed_buf_span(&text), errors);
		xfed_buf_wipe(&text);
	}
	return rc;
}

void rt_conf_doc_deinit(struct rt_conf_doc *doc)
{
	/* The elements are in the arena; only uthash's own table is freed here. */
	HASH_CLEAR(hh, doc->marks);
	xfed_arena_deinit(&doc->arena);
	*doc = (struct rt_conf_doc){ 0 };
}

/* ---- checks across keys ---- */

static const struct conf_key_mark *find_key(const struct rt_conf_mark *m, struct xfed_span key)
{
	for (const struct conf_key_mark *k = m->keys; k; k = k->next) {
		if (xfed_span_is(key, k->key)) {
			return k;
		}
	}
	return NULL;
}

static const struct rt_conf_mark *find_object(const struct rt_conf_doc *doc, const void *object)
{
	struct rt_conf_mark *m = NULL;
	HASH_FIND_PTR(doc->marks, &object, m);
	return m;
}

bool rt_conf_is_set(const struct rt_conf_doc *doc, const void *object, const char *key)
{
	const struct rt_conf_mark *m = find_object(doc, object);
	return m && find_key(m, xfed_span_str(key));
}

__attribute__((format(printf, 6, 0))) static void add_at(
	struct rt_conf_doc *doc, bool is_warning, const void *object, const char *key, enum xfed_reason reason, const char *fmt, va_list ap)
{
	char text[1024], path[CONF_PATH_BYTES];
	unsigned line = 0, column = 0;
	const struct rt_conf_mark *m = find_object(doc, object);
	snprintf(path, sizeof(path), "%s%s%s", m ? m->path : "", m && m->path[0] && key ? "." : "", key ? key : "");
	if (m) {
		line = m->line;
		column = m->column;
	}
	/* The key may be in an object that is nearer than the root: tries shorter keys, cut at dots. */
	struct xfed_span part = xfed_span_str(key);
	while (m && part.len > 0) {
		const struct conf_key_mark *k = find_key(m, part);
		if (k) {
			line = k->line;
			column = k->column;
			break;
		}
		while (part.len > 0 && part.data[part.len - 1] != '.' && part.data[part.len - 1] != '[') {
			part.len--;
		}
		part.len -= part.len > 0 ? 1 : 0;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	rt_conf_errors_add(doc->errors, is_warning, reason, doc->file, line, column, path, "%s", text);
}

void rt_conf_fail(struct rt_conf_doc *doc, const void *object, const char *key, enum xfed_reason reason, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_at(doc, false, object, key, reason, fmt, ap);
	va_end(ap);
}

void rt_conf_warn(struct rt_conf_doc *doc, const void *object, const char *key, enum xfed_reason reason, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_at(doc, true, object, key, reason, fmt, ap);
	va_end(ap);
}
