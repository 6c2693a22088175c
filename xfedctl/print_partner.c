#include "ctl.h"

static const char *join(const json_t *list, char *out, size_t size)
{
	size_t i, n = 0;
	json_t *s;
	out[0] = '\0';
	json_array_foreach(list, i, s) {
		const char *text = json_string_value(s);
		int len = n < size ? snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "", text ? text : "") : 0;
		n += len > 0 ? (size_t)len : 0;
	}
	return out;
}

enum ctl_exit ctl_print_partner_list(const json_t *result, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *p;
	char text[512];
	const json_t *list = json_object_get(result, "partners");
	if (json_array_size(list) == 0) {
		fprintf(out, "no partners\n");
		return CTL_FINE;
	}
	ctl_table_init(&t, 7);
	static const char *const names[] = { "DOMAIN", "TYPE", "TLS", "SASL", "DIALBACK", "METHODS", "DESCRIPTION" };
	for (i = 0; i < XFED_ARRAY_LEN(names); i++) {
		ctl_table_add(&t, names[i]);
	}
	json_array_foreach(list, i, p) {
		ctl_table_add(&t, ctl_str(p, "domain"));
		ctl_table_add(&t, json_is_true(json_object_get(p, "refused"))	 ? "refused"
				  : json_is_false(json_object_get(p, "enabled")) ? "disabled"
										 : ctl_str(p, "partner_type"));
		ctl_table_add(&t, ctl_str(p, "tls"));
		ctl_table_add(&t, ctl_str(p, "sasl"));
		ctl_table_add(&t, json_is_true(json_object_get(p, "dialback")) ? "yes" : "no");
		ctl_table_add(&t, join(json_object_get(json_object_get(p, "matrix"), "methods"), text, sizeof(text)));
		ctl_table_add(&t, ctl_str(p, "description"));
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}

static void row(struct ctl_table *t, const char *name, const char *value)
{
	ctl_table_add(t, name);
	ctl_table_add(t, value);
}

static void row_list(struct ctl_table *t, const char *name, const json_t *list)
{
	char text[1024];
	row(t, name, join(list, text, sizeof(text)));
}

/* What the partner's own file says; the rest is as for everybody. */
static void row_presence(struct ctl_table *t, const json_t *presence)
{
	char text[2048] = "as in gateway.yaml";
	size_t n = 0;
	const char *key;
	json_t *word;
	json_object_foreach((json_t *)(uintptr_t)presence, key, word) {
		int len = n < sizeof(text) ? snprintf(text + n, sizeof(text) - n, "%s%s: %s", n > 0 ? ", " : "", key, ctl_str(presence, key)) : 0;
		n += len > 0 ? (size_t)len : 0;
	}
	row(t, "presence", text);
}

enum ctl_exit ctl_print_partner_show(const json_t *p, FILE *out)
{
	struct ctl_table t;
	const json_t *limits = json_object_get(p, "limits"), *matrix = json_object_get(p, "matrix"), *trust = json_object_get(p, "trust");
	const char *problem = ctl_str(matrix, "problem");
	ctl_table_init(&t, 2);
	row(&t, "domain", ctl_str(p, "domain"));
	if (json_is_false(json_object_get(p, "enabled"))) {
		row(&t, "enabled", "false: nothing is exchanged");
	}
	row(&t, "description", ctl_str(p, "description"));
	row_list(&t, "additional domains", json_object_get(p, "additional_domains"));
	row(&t, "type", ctl_str(p, "partner_type"));
	row(&t, "tls", ctl_str(p, "tls"));
	row(&t, "sasl", ctl_str(p, "sasl"));
	row(&t, "dialback", json_is_true(json_object_get(p, "dialback")) ? "true" : "false");
	row_list(&t, "methods", json_object_get(matrix, "methods"));
	row(&t, "together", *problem ? problem : "fine");
	row(&t, "connect to", ctl_str(p, "connect_to")[0] ? ctl_str(p, "connect_to") : "SRV records");
	row(&t, "keepalive", json_is_true(json_object_get(p, "keepalive")) ? "true" : "false");
	ctl_table_add(&t, "limits, per edge");
	ctl_table_addf(&t, "%lld connections, %lld stanzas per second, %lld bytes a stanza", (long long)ctl_int(limits, "connections"),
		(long long)ctl_int(limits, "stanzas_per_second"), (long long)ctl_int(limits, "stanza_size"));
	row_list(&t, "kinds", json_object_get(p, "kinds"));
	row_presence(&t, json_object_get(p, "presence"));
	row(&t, "own authorities", json_is_true(json_object_get(trust, "ca")) ? "yes" : "no");
	row_list(&t, "pins", json_object_get(trust, "pins"));
	row(&t, "dane", ctl_str(p, "dane"));
	ctl_table_print(&t, "", out);
	fprintf(out, "\n");
	ctl_print_stream_list(p, out);
	return CTL_FINE;
}

static void print_certificate(const json_t *cert, const char *mark, FILE *out)
{
	char names[1024];
	if (!json_is_object(cert)) {
		return;
	}
	fprintf(out, "%s certificate: ", mark);
	ctl_text(out, ctl_str(cert, "subject"));
	fprintf(out, ", signed by ");
	ctl_text(out, ctl_str(cert, "issuer"));
	fprintf(out, ", names ");
	ctl_text(out, join(json_object_get(cert, "names"), names, sizeof(names)));
	fprintf(out, "\n");
}

/* Each line as it is: what is no comment is to be pasted. */
enum ctl_exit ctl_print_partner_routes(const json_t *result, FILE *out)
{
	size_t i, k;
	json_t *section, *text;
	const json_t *problems = json_object_get(result, "problems");
	const char *mark = strcmp(ctl_str(result, "for"), "asterisk") == 0 ? ";" : "#"; /* of a comment */
	fprintf(out, "%s gateway: %s, port %lld, %s\n", mark, ctl_str(result, "host"), (long long)ctl_int(result, "port"),
		ctl_str(result, "transport"));
	print_certificate(json_object_get(result, "certificate"), mark, out);
	json_array_foreach(problems, i, text) {
		fprintf(out, "%s PROBLEM: ", mark);
		ctl_text(out, json_string_value(text));
		fprintf(out, "\n");
	}
	json_array_foreach(json_object_get(result, "sections"), i, section) {
		fprintf(out, "\n%s %s\n", mark, ctl_str(section, "title"));
		json_array_foreach(json_object_get(section, "lines"), k, text) {
			const char *words = json_string_value(text);
			size_t tabs = strspn(words, "\t"); /* no control characters, which the names in it cannot have */
			fprintf(out, "%.*s%s\n", (int)tabs, words, words + tabs);
		}
	}
	return json_array_size(problems) > 0 ? CTL_PROBLEM : CTL_FINE;
}
