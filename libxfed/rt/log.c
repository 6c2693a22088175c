#include "xfed/rt/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log_internal.h"
#include "log_limit.h"

#define DOMAIN_BYTES 256

enum rt_log_level rt_log_threshold = RT_LOG_INFO;

static struct {
	enum rt_log_level level; /* the configured level, without debugging for single domains */
	enum rt_log_format format;
	bool mask_addresses, to_journal;
	char ident[80];
	char domains[RT_LOG_DOMAINS_MAX][DOMAIN_BYTES];
	size_t domain_count;
	void (*sink)(void *user, enum rt_log_level level, struct xfed_span line);
	void *sink_user;
	const char *(*partner_name)(void *user, struct xfed_span domain);
	void *partner_user;
	int64_t (*clock)(void *user);
	void *clock_user;
} state = { .level = RT_LOG_INFO, .ident = "xfed" };

const char *rt_log_level_name(enum rt_log_level level)
{
	switch (level) {
	case RT_LOG_ERROR:
		return "error";
	case RT_LOG_WARNING:
		return "warning";
	case RT_LOG_INFO:
		return "info";
	case RT_LOG_DEBUG:
		return "debug";
	}
	return "error";
}

const char *rt_log_reason_word(enum xfed_reason r)
{
	return r == XFED_REASON_NONE ? NULL : xfed_reason_code(r);
}

const char *rt_log_reason_side(enum xfed_reason r)
{
	return r == XFED_REASON_NONE ? NULL : xfed_side_name(xfed_reason_info(r)->side);
}

static int64_t now_ms(void)
{
	struct timespec ts;
	if (state.clock) {
		return state.clock(state.clock_user);
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- where lines go ---- */

static void to_stderr(struct log_line *l)
{
	size_t done = 0;
	l->text[l->len++] = '\n';
	while (done < l->len) {
		ssize_t n = write(STDERR_FILENO, l->text + done, l->len - done);
		if (n < 0 && errno != EINTR) {
			/* the log cannot be written, and there is no better place to report that */
			return;
		}
		done += n > 0 ? (size_t)n : 0;
	}
}

static int priority(enum rt_log_level level)
{
	switch (level) {
	case RT_LOG_ERROR:
		return LOG_ERR;
	case RT_LOG_WARNING:
		return LOG_WARNING;
	case RT_LOG_INFO:
		return LOG_INFO;
	case RT_LOG_DEBUG:
		return LOG_DEBUG;
	}
	return LOG_ERR;
}

struct journal_entry {
	struct iovec iov[RT_LOG_FIELDS_MAX + 4];
	int count;
	char mem[2 * RT_LOG_LINE_BYTES];
	size_t used;
};

static void add_journal(struct journal_entry *e, const char *key, bool is_ours, struct xfed_span value)
{
	char *out = e->mem + e->used;
	size_t room = sizeof(e->mem) - e->used;
	int n = snprintf(out, room, "%s%s=", is_ours ? "XFED_" : "", key);
	if (n < 0 || (size_t)n >= room || value.len > room - (size_t)n || e->count == (int)XFED_ARRAY_LEN(e->iov)) {
		return;
	}
	for (int i = 0; is_ours && i < n; i++) {
		out[i] = out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 32) : out[i];
	}
	memcpy(out + n, value.data, value.len);
	e->iov[e->count++] = (struct iovec){ out, (size_t)n + value.len };
	e->used += (size_t)n + value.len;
}

static bool to_journal(const struct log_line *l, const struct log_view *v)
{
	static struct journal_entry e;
	static struct log_line value;
	char number[4];
	e.count = 0;
	e.used = 0;
	snprintf(number, sizeof(number), "%d", priority(v->level));
	add_journal(&e, "MESSAGE", false, xfed_span_make(l->text + l->body, l->len - l->body));
	add_journal(&e, "PRIORITY", false, xfed_span_str(number));
	add_journal(&e, "SYSLOG_IDENTIFIER", false, xfed_span_str(state.ident));
	add_journal(&e, "event", true, xfed_span_str(v->event));
	for (const struct rt_log_field *f = v->fields; f->kind != RT_LOG_KIND_END && e.count < RT_LOG_FIELDS_MAX; f++) {
		log_line_value(&value, f, v->mask_addresses);
		if (value.len > 0) {
			add_journal(&e, f->key, true, xfed_span_make(value.text, value.len));
		}
	}
	return sd_journal_sendv(e.iov, e.count) >= 0;
}

static void emit(enum rt_log_level level, const char *event, const struct rt_log_field *fields)
{
	static struct log_line line;
	struct log_view v = { now_ms(), level, event, fields, state.mask_addresses };
	if (state.format == RT_LOG_JSON) {
		log_line_json(&line, &v);
	} else {
		log_line_text(&line, &v);
	}
	if (state.sink) {
		state.sink(state.sink_user, level, xfed_span_make(line.text, line.len));
	} else if (!state.to_journal || !to_journal(&line, &v)) {
		to_stderr(&line);
	}
}

/* ---- which lines go ---- */

static bool is_debugged(struct xfed_span domain)
{
	for (size_t i = 0; i < state.domain_count; i++) {
		if (xfed_span_is(domain, state.domains[i])) {
			return true;
		}
	}
	return false;
}

static bool is_wanted(enum rt_log_level level, const struct rt_log_field *fields)
{
	if (level <= state.level) {
		return true;
	}
	for (const struct rt_log_field *f = fields; f->kind != RT_LOG_KIND_END; f++) {
		bool is_domain = f->kind == RT_LOG_KIND_SPAN && (strcmp(f->key, "partner") == 0 || strcmp(f->key, "local") == 0);
		if (is_domain && f->span.data && is_debugged(f->span)) {
			return true;
		}
	}
	return false;
}

static struct xfed_span value_of(const struct rt_log_field *fields, const char *key)
{
	for (const struct rt_log_field *f = fields; f->kind != RT_LOG_KIND_END; f++) {
		if (f->kind == RT_LOG_KIND_SPAN && strcmp(f->key, key) == 0) {
			return f->span;
		}
	}
	return (struct xfed_span){ NULL, 0 };
}

/* The reason as a word of the table, whatever the line says. */
static struct xfed_span reason_key(const struct rt_log_field *fields)
{
	struct xfed_span reason = value_of(fields, "reason");
	enum xfed_reason r = xfed_reason_by_code(reason);
	return reason.len == 0 ? reason : r == XFED_REASON_NONE ? XFED_SPAN("other") : xfed_span_str(xfed_reason_code(r));
}

static struct xfed_span partner_key(const struct rt_log_field *fields)
{
	struct xfed_span partner = value_of(fields, "partner");
	return xfed_span_str(partner.len > 0 && state.partner_name ? state.partner_name(state.partner_user, partner) : NULL);
}

static void emit_summary(void *user, const struct log_limit_slot *s)
{
	emit(RT_LOG_WARNING, "log.suppressed",
		(const struct rt_log_field[]){ RT_KV_STR("of", s->event), RT_KV_STR("of_reason", s->reason[0] ? s->reason : NULL),
			RT_KV_U64("count", s->suppressed), RT_END });
}

void rt_log_write(enum rt_log_level level, const char *event, const struct rt_log_field *fields)
{
	if (!is_wanted(level, fields)) {
		return;
	}
	bool is_limited = strncmp(event, "audit.", 6) != 0;
	if (is_limited && !log_limit_allows(event, reason_key(fields), partner_key(fields), now_ms(), emit_summary, NULL)) {
		return;
	}
	emit(level, event, fields);
}

void rt_log_flush(bool all)
{
	log_limit_flush(now_ms(), all, emit_summary, NULL);
}

/* ---- settings ---- */

static void update_threshold(void)
{
	rt_log_threshold = state.domain_count > 0 ? RT_LOG_DEBUG : state.level;
}

/* systemd names device and inode of the socket it passed; a redirected standard error has others. */
static bool is_stderr_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	return s && sscanf(s, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void rt_log_init(const char *ident)
{
	snprintf(state.ident, sizeof(state.ident), "%s", ident);
	state.to_journal = is_stderr_journal();
}

const char *rt_log_address(struct xfed_span address, char *out, size_t size)
{
	struct xfed_span head = { "", 0 };
	size_t after = 0;
	if (state.mask_addresses && address.len > 0) {
		head = log_line_masked(address, &after);
	}
	snprintf(out, size, "%.*s%s%.*s", (int)head.len, head.data, after > 0 ? "***" : "", (int)(address.len - after),
		address.data ? address.data + after : "");
	return out;
}

void rt_log_configure(enum rt_log_level level, enum rt_log_format format, bool mask_addresses)
{
	state.level = level;
	state.format = format;
	state.mask_addresses = mask_addresses;
	update_threshold();
}

void rt_log_set_level(enum rt_log_level level)
{
	state.level = level;
	update_threshold();
}

enum rt_log_level rt_log_level_now(void)
{
	return state.level;
}

static void forget_domain(struct xfed_span domain)
{
	for (size_t i = 0; i < state.domain_count; i++) {
		if (xfed_span_is(domain, state.domains[i])) {
			state.domain_count--;
			memmove(state.domains[i], state.domains[state.domain_count], DOMAIN_BYTES);
			return;
		}
	}
}

void rt_log_set_partner_names(const char *(*name_of)(void *user, struct xfed_span domain), void *user)
{
	state.partner_name = name_of;
	state.partner_user = user;
}

int rt_log_debug_domain(struct xfed_span domain, bool on)
{
	forget_domain(domain);
	if (on) {
		if (state.domain_count == RT_LOG_DOMAINS_MAX || domain.len >= DOMAIN_BYTES) {
			update_threshold();
			return XFED_ERR_LIMIT;
		}
		memcpy(state.domains[state.domain_count], domain.data, domain.len);
		state.domains[state.domain_count][domain.len] = '\0';
		state.domain_count++;
	}
	update_threshold();
	return XFED_OK;
}

void rt_log_set_sink(void (*sink)(void *user, enum rt_log_level level, struct xfed_span line), void *user)
{
	state.sink = sink;
	state.sink_user = user;
}

void rt_log_set_clock(int64_t (*wall_ms)(void *user), void *user)
{
	state.clock = wall_ms;
	state.clock_user = user;
	log_limit_reset();
}
