/* The interface between log.c (which lines are written, and where) and log_line.c (their form). */
#ifndef XFED_RT_LOG_INTERNAL_H
#define XFED_RT_LOG_INTERNAL_H

#include "xfed/rt/log.h"

/* A line being written. It does not grow: fields that do not fit are left out, and cut=true says so. */
struct log_line {
	char text[RT_LOG_LINE_BYTES];
	size_t len;
	size_t body; /* where time and level end, and event= begins */
	bool is_cut;
};

struct log_view {
	int64_t wall_ms;
	enum rt_log_level level;
	const char *event;
	const struct rt_log_field *fields;
	bool mask_addresses;
};

void log_line_text(struct log_line *l, const struct log_view *v);
void log_line_json(struct log_line *l, const struct log_view *v);
/* A field's value alone, without quotes; for the journal. */
void log_line_value(struct log_line *l, const struct rt_log_field *f, bool mask_addresses);
/* The part of an address before its mask, which replaces everything up to `*after`: sip:alice@a.example is written sip:***@a.example. */
struct xfed_span log_line_masked(struct xfed_span s, size_t *after);

#endif
