/* Commands that need no service: reason codes, and checks of files. */
#include <libgen.h>
#include <stdlib.h>

#include "ctl.h"
#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/reason.h"
#include "xfed/rt/control.h"

/* ---- explain CODE ---- */

static json_t *reason_json(enum xfed_reason r)
{
	const struct xfed_reason_info *i = xfed_reason_info(r);
	return json_pack("{s:s, s:s, s:s*, s:s*, s:i, s:s}", "code", i->code, "side", xfed_side_name(i->side), "condition", i->condition,
		"stream_error", i->stream_error, "sip_status", i->sip_status, "remedy", i->remedy);
}

static void print_reason(enum xfed_reason r)
{
	const struct xfed_reason_info *i = xfed_reason_info(r);
	struct ctl_table t;
	printf("%s\n", i->remedy);
	ctl_table_init(&t, 2);
	ctl_table_add(&t, "code");
	ctl_table_add(&t, i->code);
	ctl_table_add(&t, "side at fault, unless the line says otherwise");
	ctl_table_add(&t, xfed_side_name(i->side));
	ctl_table_add(&t, "an XMPP sender gets");
	ctl_table_add(&t, i->condition);
	ctl_table_add(&t, "the stream is closed with");
	ctl_table_add(&t, i->stream_error);
	ctl_table_add(&t, "a SIP sender gets");
	ctl_table_addf(&t, i->sip_status > 0 ? "%d" : "-", i->sip_status);
	ctl_table_print(&t, "  ", stdout);
}

/* Lists the codes of the same area, for a mistyped code. */
static void print_area(const char *code)
{
	size_t area = strcspn(code, ".");
	bool is_first = true;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const char *other = xfed_reason_code((enum xfed_reason)r);
		if (strncmp(other, code, area) == 0 && other[area] == '.') {
			fprintf(stderr, "%s%s", is_first ? "  known are " : ", ", other);
			is_first = false;
		}
	}
	fprintf(stderr, is_first ? "" : "\n");
}

enum ctl_exit ctl_do_explain_code(const json_t *args, const struct ctl_options *options)
{
	const char *code = ctl_str(args, "code");
	enum xfed_reason r = xfed_reason_by_code(xfed_span_str(code));
	if (strchr(code, '@')) {
		fprintf(stderr, "xfedctl: TO is missing: explain takes two addresses, of who sends and of whom it is for\n");
		return CTL_USAGE;
	}
	if (r == XFED_REASON_NONE) {
		fprintf(stderr, "xfedctl: no reason code is called \"");
		ctl_text(stderr, code);
		fprintf(stderr, "\"\n");
		print_area(code);
		return CTL_PROBLEM;
	}
	if (options->is_json) {
		json_t *j = reason_json(r);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
	} else {
		print_reason(r);
	}
	return CTL_FINE;
}

/* ---- config check FILE ---- */

static bool is_in_dir(const char *path, const char *name)
{
	char copy[4096];
	snprintf(copy, sizeof(copy), "%s", path);
	return strcmp(basename(dirname(copy)), name) == 0;
}

static void check_text(const char *file, struct xfed_span text, struct rt_conf_errors *errors)
{
	struct partner_file p;
	struct access_set *set = NULL;
	if (is_in_dir(file, "partners.d")) {
		if (partner_file_parse(file, text, errors, &p) == XFED_OK) {
			partner_file_deinit(&p);
		}
	} else if (access_set_new(&set) == XFED_OK) {
		(void)access_set_add(set, file, text, errors);
		access_set_free(set);
	} else {
		rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, 0, 0, NULL, "out of memory");
	}
}

/* Checks a file as edge.yaml and as gateway.yaml, whatever it is called, and reports the one with fewer errors. */
static void check_service(const char *file, struct xfed_span text, struct rt_conf_errors *errors)
{
	struct rt_conf_errors other;
	struct edge_config *e;
	struct config *g;
	rt_conf_errors_init(&other);
	if (edge_config_parse(file, text, errors, &e) == XFED_OK) {
		rt_conf_check_files(&e->base.doc);
	}
	if (config_parse(file, text, &other, &g) == XFED_OK) {
		rt_conf_check_files(&g->base.doc);
	}
	edge_config_free(e);
	config_free(g);
	if (other.error_count < errors->error_count) {
		struct rt_conf_errors swap = *errors;
		*errors = other;
		other = swap;
	}
	rt_conf_errors_deinit(&other);
}

static void check_path(const char *file, struct rt_conf_errors *errors)
{
	struct xfed_buf text;
	if (rt_conf_read(file, &text, errors) != XFED_OK) {
		return;
	}
	if (is_in_dir(file, "partners.d") || is_in_dir(file, "access.d")) {
		check_text(file, xfed_buf_span(&text), errors);
		rt_conf_check_file(errors, file);
	} else {
		check_service(file, xfed_buf_span(&text), errors);
	}
	xfed_buf_deinit(&text);
}

enum ctl_exit ctl_do_config_check_file(const json_t *args, const struct ctl_options *options)
{
	struct rt_conf_errors *errors = calloc(1, sizeof(*errors));
	if (!errors) {
		fprintf(stderr, "xfedctl: out of memory\n");
		return CTL_PROBLEM;
	}
	rt_conf_errors_init(errors);
	check_path(ctl_str(args, "file"), errors);
	json_t *j = rt_control_problems(errors, NULL);
	bool is_fine = errors->error_count == 0;
	if (options->is_json) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
	} else {
		ctl_print_config_check(j, stdout);
	}
	json_decref(j);
	rt_conf_errors_deinit(errors);
	free(errors);
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}

/* ---- help ---- */

enum ctl_exit ctl_do_help(const json_t *args, const struct ctl_options *options)
{
	const char *noun = json_string_value(json_object_get(args, "noun"));
	(void)options;
	if (ctl_usage(noun, stdout) > 0 || ctl_cmdlet(noun, stdout) > 0) {
		return CTL_FINE;
	}
	fprintf(stderr, "xfedctl: there is no command \"");
	ctl_text(stderr, noun);
	const char *nearest = ctl_nearest(NULL, noun);
	fprintf(stderr, nearest ? "\"; xfedctl --help lists them. Is %s meant?\n" : "\"; xfedctl --help lists them\n", nearest);
	return CTL_USAGE;
}
