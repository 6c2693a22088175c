#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"
#include "xfed/buf.h"
#include "xfed/rt/control.h"

#define TIMEOUT_S	60
#define TIMEOUT_WHOLE_S 3600 /* for what reads a whole store, which may be large */

time_t ctl_patience_s(const char *noun, const char *verb, const json_t *args)
{
	bool is_whole = strcmp(noun, "change") == 0 && (strcmp(verb, "snapshot") == 0 || strcmp(verb, "take") == 0);
	/* What the command is told to wait for comes before its answer. */
	return (is_whole ? TIMEOUT_WHOLE_S : TIMEOUT_S) + (time_t)json_integer_value(json_object_get(args, "wait"));
}

static int dial(const char *path, time_t timeout_s, char error[256])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(error, 256, "%.100s...: the path is too long for a socket", path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval timeout = { .tv_sec = timeout_s };
	bool is_up = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
		     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
		     connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	if (!is_up) {
		if (errno == ECONNREFUSED || errno == ENOENT) {
			snprintf(error, 256,
				"%s at %.90s: the service does not run, or not on this host: systemctl start xfed-gateway (or xfed-edge); journalctl "
				"-u says why it ended",
				errno == ENOENT ? "no socket" : "nobody answers", path);
		} else {
			snprintf(error, 256, "%.120s: %s%s", path, strerror(errno),
				errno == EACCES ? ": ask as root, or as a member of xfed-admin or xfed-read" : "");
		}
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

static int send_all(int fd, struct xfed_span s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.data, s.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			return XFED_ERR_LIBRARY;
		}
		size_t sent = n > 0 ? (size_t)n : 0;
		s = xfed_span_make(s.data + sent, s.len - sent);
	}
	return XFED_OK;
}

/* Reads at least one line; INVALID: the other side closed, stopped answering or sent too much. */
static int receive_line(int fd, struct xfed_buf *in, char error[256])
{
	struct xfed_span has = xfed_buf_span(in);
	bool is_whole = has.len > 0 && memchr(has.data, '\n', has.len);
	while (!is_whole) {
		char chunk[16384];
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			bool is_refused = n == 0 || errno == ECONNRESET;
			snprintf(error, 256, "%s",
				is_refused	  ? "closed: only root and members of xfed-admin or xfed-read are answered"
				: errno == EAGAIN ? "the service does not answer"
						  : strerror(errno));
			return XFED_ERR_INVALID;
		}
		if (xfed_buf_append(in, xfed_span_make(chunk, (size_t)n)) != XFED_OK) {
			snprintf(error, 256, "the answer is too large");
			return XFED_ERR_INVALID;
		}
		is_whole = memchr(chunk, '\n', (size_t)n) != NULL;
	}
	return XFED_OK;
}

/* The next line as an object; INVALID: see receive_line(), or it is none. */
static int receive(int fd, struct xfed_buf *in, json_t **out, char error[256])
{
	json_error_t where;
	int rc = receive_line(fd, in, error);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span all = xfed_buf_span(in);
	size_t len = (size_t)((const char *)memchr(all.data, '\n', all.len) - all.data);
	*out = json_loadb(all.data, len, JSON_REJECT_DUPLICATES, &where);
	xfed_buf_consume(in, len + 1);
	if (!json_is_object(*out)) {
		snprintf(error, 256, "the answer is not JSON");
		json_decref(*out);
		*out = NULL;
		return XFED_ERR_INVALID;
	}
	return XFED_OK;
}

static int talk(int fd, const char *request, void (*part)(const json_t *part), json_t **answer, char error[256])
{
	struct xfed_buf in;
	xfed_buf_init(&in, RT_CONTROL_REPLY_BYTES + 4096);
	/* A daemon that refuses us closes without reading: receiving then tells why. */
	(void)send_all(fd, xfed_span_str(request));
	int rc = receive(fd, &in, answer, error);
	for (const json_t *said; rc == XFED_OK && (said = json_object_get(*answer, "part"));) {
		if (part) {
			part(said);
		}
		json_decref(*answer);
		*answer = NULL;
		rc = receive(fd, &in, answer, error);
	}
	xfed_buf_deinit(&in);
	return rc;
}

int ctl_ask(const char *path, const char *noun, const char *verb, json_t *args, void (*part)(const json_t *part), json_t **answer, char error[256])
{
	*answer = NULL;
	json_t *request = json_pack("{s:s, s:s, s:O*}", "noun", noun, "verb", verb, "args", args);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	char *line = text ? realloc(text, strlen(text) + 2) : NULL;
	json_decref(request);
	if (!line) {
		free(text);
		snprintf(error, 256, "out of memory");
		return XFED_ERR_NOMEM;
	}
	memcpy(line + strlen(line), "\n", 2);
	int fd = dial(path, ctl_patience_s(noun, verb, args), error);
	int rc = fd >= 0 ? talk(fd, line, part, answer, error) : XFED_ERR_INVALID;
	if (fd >= 0) {
		close(fd);
	}
	free(line);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t ctl_find(const char *dir, char **out, size_t max)
{
	DIR *d = opendir(dir);
	size_t count = 0;
	struct dirent *e;
	while (d && count < max && (e = readdir(d))) {
		size_t len = strlen(e->d_name);
		char path[512];
		if (len <= 5 || e->d_name[0] == '.' || strcmp(e->d_name + len - 5, ".sock") != 0) {
			continue;
		}
		if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path) && (out[count] = strdup(path))) {
			count++;
		}
	}
	if (d) {
		closedir(d);
	}
	if (count > 1) {
		qsort(out, count, sizeof(out[0]), by_name);
	}
	return count;
}

const char *ctl_name_of(const char *path, char out[128])
{
	char copy[512];
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(out, 128, "%.127s", basename(copy));
	size_t len = strlen(out);
	if (len > 5 && strcmp(out + len - 5, ".sock") == 0) {
		out[len - 5] = '\0';
	}
	return out;
}
