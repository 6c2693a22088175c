/*
 * Makes a manual page from its template: @VERSION@ becomes the version; a line @OPTIONS@ the description of every key of a
 * configuration file, from the table that reads the file; a line @REASONS@ every reason code, from reasons.def.
 *
 *   page TABLE TEMPLATE OUTPUT     TABLE: edge | gateway | partner | access | none
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/config/config.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/reason.h"

#define PAGE_BYTES (1024 * 1024)

static const struct {
	const char *name;
	const struct rt_conf_table *table;
} tables[] = {
	{ "edge", &edge_config_table },
	{ "gateway", &gateway_config_table },
	{ "partner", &partner_file_table },
	{ "access", &access_file_table },
	{ "none", NULL },
};

static void give_up(const char *what, const char *path)
{
	fprintf(stderr, "page: %s: %s\n", path, what);
	exit(1);
}

/* Text as roff: a hyphen stays one that can be copied. */
static void put_text(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '-') {
			fputs(*s == '-' ? "\\-" : "\\e", out);
		} else {
			fputc(*s, out);
		}
	}
}

static void put_reason(FILE *out, const struct xfed_reason_info *r)
{
	fputs(".TP\n.B ", out);
	put_text(out, r->code);
	fputs("\n", out);
	put_text(out, r->remedy);
	fputs("\n.br\nAt fault: ", out);
	put_text(out, xfed_side_name(r->side));
	fputs("; stanza error: ", out);
	put_text(out, r->condition ? r->condition : "none");
	fputs("; stream error: ", out);
	put_text(out, r->stream_error ? r->stream_error : "none");
	if (r->sip_status != 0) {
		fprintf(out, "; SIP status: %d.\n", r->sip_status);
	} else {
		fputs("; SIP status: none.\n", out);
	}
}

static void put_reasons(FILE *out)
{
	for (int i = XFED_REASON_NONE + 1; i < XFED_REASON_COUNT; i++) {
		put_reason(out, xfed_reason_info((enum xfed_reason)i));
	}
}

static void put_options(FILE *out, const struct rt_conf_table *table, const char *path)
{
	struct xfed_buf text;
	xfed_buf_init(&text, PAGE_BYTES);
	if (!table || rt_conf_man(table, &text) != XFED_OK) {
		give_up("no table for @OPTIONS@, or not enough memory", path);
	}
	struct xfed_span s = xfed_buf_span(&text);
	fwrite(s.data, 1, s.len, out);
	xfed_buf_deinit(&text);
}

static void put_line(FILE *out, const char *line, const struct rt_conf_table *table, const char *path)
{
	if (strcmp(line, "@OPTIONS@\n") == 0) {
		put_options(out, table, path);
		return;
	}
	if (strcmp(line, "@REASONS@\n") == 0) {
		put_reasons(out);
		return;
	}
	for (const char *mark; (mark = strstr(line, "@VERSION@")); line = mark + strlen("@VERSION@")) {
		fwrite(line, 1, (size_t)(mark - line), out);
		fputs(XFED_VERSION, out);
	}
	fputs(line, out);
}

int main(int argc, char **argv)
{
	size_t i = 0;
	while (i < XFED_ARRAY_LEN(tables) && (argc != 4 || strcmp(tables[i].name, argv[1]) != 0)) {
		i++;
	}
	if (i == XFED_ARRAY_LEN(tables)) {
		fputs("usage: page TABLE TEMPLATE OUTPUT\n", stderr);
		return 2;
	}
	FILE *in = fopen(argv[2], "r"), *out = in ? fopen(argv[3], "w") : NULL;
	if (!out) {
		give_up(strerror(errno), in ? argv[3] : argv[2]);
	}
	char *line = NULL;
	size_t size = 0;
	while (getline(&line, &size, in) > 0) {
		put_line(out, line, tables[i].table, argv[2]);
	}
	free(line);
	fclose(in);
	if (fclose(out) != 0) {
		give_up(strerror(errno), argv[3]);
	}
	return 0;
}
