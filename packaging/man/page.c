/*
 * Makes a manual page, or the shell's completion, from its template: @VERSION@ becomes the version, @DATE@ the date, @HOOKDIR@ where hooks are installed; a line @OPTIONS@ the
 * description of every key of a configuration file, from the table that reads the file; a line @REASONS@ every reason code, from
 * reasons.def, a line @MATRIX@ the rows of the negotiation matrix, and @CODES@ their names alone; a line @COMMANDS@ every command of xfedctl, from commands.def, and @COMPLETION@
 * what the shell has to know of them, @WORDS@ a case for each kind of argument that is one of a few words; a line @METRICS@ every family of metrics, from metrics.def.
 *
 *   page TABLE TEMPLATE OUTPUT     TABLE: edge | gateway | partner | access | none
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/config/config.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/policy.h"
#include "xfed/reason.h"
#include "xfed/rt/command.h"
#include "xfed/rt/metrics.h"

#define PAGE_BYTES (1024 * 1024)

static const struct {
	const char *name;
	const struct rt_conf_table *table;
} tables[] = {
	{ "edge", &edge_config_table },
	{ "gateway", &config_table },
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

static void put_codes(FILE *out)
{
	for (int i = XFED_REASON_NONE + 1; i < XFED_REASON_COUNT; i++) {
		fprintf(out, "%s\n", xfed_reason_code((enum xfed_reason)i));
	}
}

static void put_command(FILE *out, const struct rt_command *c)
{
	char words[RT_COMMAND_WORDS];
	const char *args = rt_command_words(c, words) + strlen(c->noun) + (c->verb[0] ? 1 + strlen(c->verb) : 0);
	fprintf(out, ".TP\n.BI \"%s%s%s\" \"", c->noun, c->verb[0] ? " " : "", c->verb);
	put_text(out, args);
	fputs("\"\n", out);
	fputc(c->help[0] >= 'a' && c->help[0] <= 'z' ? c->help[0] - 'a' + 'A' : c->help[0], out);
	put_text(out, c->help + 1);
	fprintf(out, ".%s%s", c->server == RT_COMMAND_OF_GATEWAY ? " On a gateway." : "", c->changes ? " Not for members of xfed\\-read." : "");
	if (c->more[0]) {
		fputc(' ', out);
		put_text(out, c->more);
	}
	fputc('\n', out);
}

static void put_commands(FILE *out)
{
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		if (rt_command_is_typed(&rt_commands[i])) {
			put_command(out, &rt_commands[i]);
		}
	}
}

/* A line for each: noun, verb or "-", then its arguments by kind, "key=" and "--key" for those without a place. */
static void put_completion(FILE *out)
{
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		if (!rt_command_is_typed(c)) {
			continue;
		}
		fprintf(out, "%s %s", c->noun, c->verb[0] ? c->verb : "-");
		for (const struct rt_command_arg *a = c->args; a->key; a++) {
			bool is_named = a->place == RT_ARG_NAMED, is_flag = a->place == RT_ARG_FLAGGED;
			fprintf(out, "%s%s%s", a->place == RT_ARG_OR ? "|" : " ",
				is_named  ? a->key
				: is_flag ? a->word
					  : rt_arg_info(a->kind)->name,
				is_named ? "=" : "");
		}
		fputc('\n', out);
	}
}

static void put_words(FILE *out)
{
#define RT_ARG_ID(kind, type, what) RT_ARG_##kind,
	static const enum rt_arg_kind all[] = { RT_ARG_KINDS(RT_ARG_ID) };
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (!rt_arg_has_word(all[i], "")) {
			fprintf(out, "\t%s) echo '%s' | tr -d , ;;\n", rt_arg_info(all[i])->name, rt_arg_info(all[i])->what);
		}
	}
}

static void put_metrics(FILE *out)
{
#define RT_METRIC(id, name, type, labels, help) { name, type, labels, help },
	static const struct {
		const char *name;
		enum rt_metric_type type;
		const char *labels, *help;
	} all[] = {
#include "libxfed/rt/metrics.def"
	};
#undef RT_METRIC
	static const char *const types[] = { [RT_METRIC_COUNTER] = "counter", [RT_METRIC_GAUGE] = "gauge", [RT_METRIC_HISTOGRAM] = "histogram" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		fprintf(out, ".TP\n.B %s\n", all[i].name);
		put_text(out, all[i].help);
		fprintf(out, "\n.br\nA %s; labels: %s.\n", types[all[i].type], all[i].labels[0] ? all[i].labels : "none");
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

/* The 18 rows, which messages name by number. */
static void put_matrix(FILE *out)
{
	static const char *const levels[] = { [XFED_REQUIRED] = "required", [XFED_OPTIONAL] = "optional", [XFED_NOT_SUPPORTED] = "not-supported" };
	static const enum xfed_method all[] = { XFED_METHOD_EXTERNAL, XFED_METHOD_DIALBACK_TLS, XFED_METHOD_DIALBACK_PLAIN };
	for (int number = 1; number <= 18; number++) {
		int pair = (number - 1) / 2;
		bool dialback = number % 2 == 1;
		const struct xfed_matrix_row *row = xfed_matrix_row((enum xfed_level)(pair % 3), (enum xfed_level)(pair / 3), dialback);
		fprintf(out, ".TP\n.B Row %d: ", row->number);
		char words[160];
		snprintf(words, sizeof(words), "tls %s, sasl %s, dialback %s", levels[pair % 3], levels[pair / 3], dialback ? "true" : "false");
		put_text(out, words);
		fputs("\n", out);
		for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
			if (row->methods & (unsigned)all[i]) {
				put_text(out, xfed_method_name(all[i]));
				fputs(row->methods >= 2u * (unsigned)all[i] ? ", " : "", out);
			}
		}
		fputs(row->methods == 0 ? "refused" : "", out);
		put_text(out, row->problem ? row->methods == 0 ? ": " : "; warned of: " : "");
		put_text(out, row->problem ? row->problem : "");
		fputs(".\n", out);
	}
}

/* Of what is built, where that is said, as by a build of packages: the same source gives the same page. Else of today. */
static const char *date(void)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t when = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	struct tm tm;
	static char text[32];
	if (!gmtime_r(&when, &tm) || strftime(text, sizeof(text), "%Y-%m-%d", &tm) == 0) {
		give_up("no date", "SOURCE_DATE_EPOCH");
	}
	return text;
}

static const struct {
	const char *line;
	void (*put)(FILE *out);
} lists[] = {
	{ "@REASONS@\n", put_reasons },
	{ "@CODES@\n", put_codes },
	{ "@COMMANDS@\n", put_commands },
	{ "@MATRIX@\n", put_matrix },
	{ "@COMPLETION@\n", put_completion },
	{ "@WORDS@\n", put_words },
	{ "@METRICS@\n", put_metrics },
};

static void put_line(FILE *out, const char *line, const struct rt_conf_table *table, const char *path)
{
	if (strcmp(line, "@OPTIONS@\n") == 0) {
		put_options(out, table, path);
		return;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(lists); i++) {
		if (strcmp(line, lists[i].line) == 0) {
			lists[i].put(out);
			return;
		}
	}
	const struct {
		const char *mark, *text;
	} words[] = { { "@VERSION@", XFED_VERSION }, { "@HOOKDIR@", XFED_HOOKDIR }, { "@DATE@", date() } };
	while (*line) {
		size_t i = 0;
		while (i < XFED_ARRAY_LEN(words) && strncmp(line, words[i].mark, strlen(words[i].mark)) != 0) {
			i++;
		}
		if (i < XFED_ARRAY_LEN(words)) {
			fputs(words[i].text, out);
			line += strlen(words[i].mark);
		} else {
			fputc(*line++, out);
		}
	}
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
