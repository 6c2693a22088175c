/*
 * The shipped examples load, and load again with everything uncommented: what a comment shows as the default is the
 * default, and every key of the tables stands in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"

#define EXAMPLES SOURCE_ROOT "/packaging/examples/"

static char *read_example(const char *name)
{
	struct xfed_buf b;
	char error[256], path[512];
	snprintf(path, sizeof(path), EXAMPLES "%s", name);
	if (rt_file_read(path, 65536, &b, error) != XFED_OK) {
		fail_msg("%s", error);
	}
	char *text = calloc(1, xfed_buf_len(&b) + 1);
	assert_non_null(text);
	memcpy(text, xfed_buf_span(&b).data, xfed_buf_len(&b));
	xfed_buf_deinit(&b);
	return text;
}

/* Whether what follows "# " is a key or an item, rather than a sentence. */
static bool is_yaml(const char *s)
{
	while (*s == ' ') {
		s++;
	}
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");
	return n > 0 && s[n] == ':' && (s[n + 1] == ' ' || s[n + 1] == '\n');
}

/* Takes "# " away from every line that is commented out YAML, in place. */
static void uncomment(char *text)
{
	char *out = text;
	for (char *line = text; *line;) {
		char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) + 1 : strlen(line);
		size_t indent = strspn(line, " ");
		bool is_comment = strncmp(line + indent, "# ", 2) == 0 && is_yaml(line + indent + 2);
		memmove(out, line, indent);
		size_t skip = indent + (is_comment ? 2 : 0);
		memmove(out + indent, line + skip, len - skip);
		out += len - (is_comment ? 2 : 0);
		line += len;
	}
	*out = '\0';
}

static void must_be_fine(struct rt_conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		print_error("%s:%u:%s: %s\n", errors->items[i].file, errors->items[i].line, errors->items[i].key, errors->items[i].text);
	}
	assert_int_equal(errors->count, 0);
	rt_conf_errors_deinit(errors);
}

static char differing[1024];

static void note(void *user, const char *key, bool is_reloadable)
{
	size_t n = strlen(differing);
	snprintf(differing + n, sizeof(differing) - n, "%s ", key);
}

static void every_key_stands_in(const struct rt_conf_table *t, const char *text, const char *file, const char *const *except)
{
	for (size_t i = 0; i < t->row_count; i++) {
		char key[80];
		bool is_excepted = (t->rows[i].flags & RT_CONF_QUIET) && !t->rows[i].fallback; /* one is enough to show how */
		snprintf(key, sizeof(key), "%s:", t->rows[i].name);
		for (size_t e = 0; except[e]; e++) {
			is_excepted = is_excepted || strcmp(except[e], t->rows[i].name) == 0;
		}
		if (!is_excepted && !strstr(text, key)) {
			fail_msg("%s: %s is missing", file, key);
		}
		if (!is_excepted && t->rows[i].table) {
			every_key_stands_in(t->rows[i].table, text, file, except);
		}
	}
}

static void edge(void **state)
{
	/* What is not built is not advertised. */
	static const char *const except[] = { "listen_tls", NULL };
	struct rt_conf_errors errors;
	struct edge_config *plain, *whole;
	char *text = read_example("edge.yaml");
	every_key_stands_in(&edge_config_table, text, "edge.yaml", except);
	rt_conf_errors_init(&errors);
	assert_int_equal(edge_config_parse("edge.yaml", xfed_span_str(text), &errors, &plain), XFED_OK);
	uncomment(text);
	edge_config_parse("edge.yaml, uncommented", xfed_span_str(text), &errors, &whole);
	must_be_fine(&errors);
	differing[0] = '\0';
	rt_conf_diff(&edge_config_table, plain, whole, note, NULL);
	assert_string_equal(differing, "external.source external.public_name http.listen ");
	edge_config_free(plain);
	edge_config_free(whole);
	free(text);
}

#define FEDERATION "sip.federation.listen sip.federation.advertise sip.federation.certificate sip.federation.key sip.federation.ca "

static void gateway(void **state)
{
	static const char *const except[] = { "postgresql", NULL };
	struct rt_conf_errors errors;
	struct config *plain, *whole;
	char *text = read_example("gateway.yaml");
	every_key_stands_in(&config_table, text, "gateway.yaml", except);
	rt_conf_errors_init(&errors);
	assert_int_equal(config_parse("gateway.yaml", xfed_span_str(text), &errors, &plain), XFED_OK);
	uncomment(text);
	config_parse("gateway.yaml, uncommented", xfed_span_str(text), &errors, &whole);
	must_be_fine(&errors);
	differing[0] = '\0';
	rt_conf_diff(&config_table, plain, whole, note, NULL);
	assert_string_equal(differing,
		"domains sip.certificate sip.key sip.ca " FEDERATION
		"dialback.secret_file http.listen panel.listen panel.certificate panel.key panel.users_file panel.client_ca panel.hosts ");
	/* The domain differs in what has no default, and in that only. */
	whole->domains.items[0].peer_addresses = plain->domains.items[0].peer_addresses;
	whole->domains.items[0].sip_domain = whole->domains.items[0].test_user = NULL;
	whole->domains.items[0].auth = plain->domains.items[0].auth;
	whole->domains.items[0].presence = plain->domains.items[0].presence;
	differing[0] = '\0';
	rt_conf_diff(&config_table, plain, whole, note, NULL);
	assert_string_equal(differing,
		"sip.certificate sip.key sip.ca " FEDERATION
		"dialback.secret_file http.listen panel.listen panel.certificate panel.key panel.users_file panel.client_ca panel.hosts ");
	config_free(plain);
	config_free(whole);
	free(text);
}

static void partner(void **state)
{
	static const char *const except[] = { "trust", NULL };
	struct rt_conf_errors errors;
	struct partner_file plain, whole;
	char *text = read_example("partners.d/fabrikam.example.yaml");
	every_key_stands_in(&partner_file_table, text, "fabrikam.example.yaml", except);
	rt_conf_errors_init(&errors);
	assert_int_equal(partner_file_parse("fabrikam.example.yaml", xfed_span_str(text), &errors, &plain), XFED_OK);
	uncomment(text);
	partner_file_parse("fabrikam.example.yaml", xfed_span_str(text), &errors, &whole);
	must_be_fine(&errors);
	differing[0] = '\0';
	rt_conf_diff(&partner_file_table, plain.doc.object, whole.doc.object, note, NULL);
	assert_string_equal(differing, "description additional_domains connect_to presence.meeting ");
	partner_file_deinit(&plain);
	partner_file_deinit(&whole);
	free(text);
}

static void access_rule(void **state)
{
	static const char *const except[] = { NULL };
	struct rt_conf_errors errors;
	struct access_set *set;
	char *text = read_example("access.d/fedpic.yaml");
	every_key_stands_in(&access_file_table, text, "fedpic.yaml", except);
	rt_conf_errors_init(&errors);
	assert_int_equal(access_set_new(&set), XFED_OK);
	assert_int_equal(access_set_add(set, "fedpic.yaml", xfed_span_str(text), &errors), XFED_OK);
	must_be_fine(&errors);
	access_set_free(set);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edge),
		cmocka_unit_test(gateway),
		cmocka_unit_test(partner),
		cmocka_unit_test(access_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
