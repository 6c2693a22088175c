#include "rt/resolv_conf.h"

#include <stdio.h>

#define DNS_PORT 53

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word off the front of `line`. */
static struct xfed_span next_word(struct xfed_span *line)
{
	size_t from = 0;
	while (from < line->len && is_blank(line->data[from])) {
		from++;
	}
	size_t to = from;
	while (to < line->len && !is_blank(line->data[to])) {
		to++;
	}
	struct xfed_span word = xfed_span_make(line->data + from, to - from);
	*line = xfed_span_make(line->data + to, line->len - to);
	return word;
}

size_t resolv_conf_parse(struct xfed_span text, struct rt_addr *servers, size_t max)
{
	size_t count = 0;
	while (text.len > 0 && count < max) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		struct xfed_span line = xfed_span_make(text.data, len);
		if (xfed_span_is(next_word(&line), "nameserver") && rt_addr_parse_host(&servers[count], next_word(&line), DNS_PORT) == XFED_OK) {
			count++;
		}
		len += end ? 1 : 0;
		text = xfed_span_make(text.data + len, text.len - len);
	}
	return count;
}

size_t resolv_conf_load(const char *path, struct rt_addr *servers, size_t max)
{
	char text[16 * 1024]; /* more than the libc reads */
	size_t count = 0;
	FILE *f = fopen(path, "re");
	if (f) {
		size_t len = fread(text, 1, sizeof(text), f);
		count = resolv_conf_parse(xfed_span_make(text, len), servers, max);
		fclose(f);
	}
	if (count == 0) {
		count = rt_addr_parse_host(&servers[0], XFED_SPAN("127.0.0.1"), DNS_PORT) == XFED_OK ? 1 : 0;
	}
	return count;
}
