/* firewall print: the rows as a table, or as a table of nftables that can be loaded as it is. */
#include "ctl.h"

#define NETWORKS_TEXT 1024

/* Of more than there is room for, whole ones and a sign that there are others. */
static const char *networks_of(const json_t *row, char out[NETWORKS_TEXT])
{
	static const char more[] = ", ...";
	size_t i, n = 0;
	json_t *s;
	out[0] = '\0';
	json_array_foreach(json_object_get(row, "networks"), i, s) {
		const char *text = json_string_value(s), *comma = n > 0 ? ", " : "";
		if (text && n + strlen(comma) + strlen(text) + sizeof(more) > NETWORKS_TEXT) {
			snprintf(out + n, NETWORKS_TEXT - n, "%s", n > 0 ? more : "...");
			break;
		}
		n += text ? (size_t)snprintf(out + n, NETWORKS_TEXT - n, "%s%s", comma, text) : 0;
	}
	return out;
}

/* "gateways that are linked now: 10.2.0.9" */
static const char *peer_of(const json_t *row, char out[1400])
{
	char networks[NETWORKS_TEXT];
	networks_of(row, networks);
	bool is_same = strcmp(networks, ctl_str(row, "peer")) == 0;
	snprintf(out, 1400, "%s%s%s", ctl_str(row, "peer"), *networks && !is_same ? ": " : "", is_same ? "" : networks);
	return out;
}

static bool is_out(const json_t *row)
{
	return strcmp(ctl_str(row, "direction"), "out") == 0;
}

static enum ctl_exit print_table(const json_t *result, FILE *out)
{
	static const char *const names[] = { "SOURCE", "DESTINATION", "PROTOCOL", "PORT", "WHY" };
	struct ctl_table t;
	size_t i;
	json_t *row;
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	for (i = 0; i < XFED_ARRAY_LEN(names); i++) {
		ctl_table_add(&t, names[i]);
	}
	json_array_foreach(json_object_get(result, "rows"), i, row) {
		char peer[1400], own[128];
		const char *address = ctl_str(row, "own");
		snprintf(own, sizeof(own), "%.60s%s%.50s", ctl_str(result, "name"), *address ? ": " : "", address);
		peer_of(row, peer);
		ctl_table_add(&t, is_out(row) ? own : peer);
		ctl_table_add(&t, is_out(row) ? peer : own);
		ctl_table_add(&t, ctl_str(row, "protocol"));
		ctl_table_addf(&t, "%lld", (long long)ctl_int(row, "port"));
		ctl_table_add(&t, ctl_str(row, "why"));
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}

/* ---- nftables ---- */

/* A statement for what a service says of itself, or its peers, has to be made of harmless characters alone. */
static bool is_harmless(const char *s)
{
	return s[strspn(s, "0123456789abcdefABCDEF.:/")] == '\0';
}

static bool is_v6(const char *network)
{
	return strchr(network, ':') != NULL;
}

/* Prints the networks of one family, each whole, however many they are. `out` NULL: only counts them. */
static size_t print_set(const json_t *row, bool v6, FILE *out)
{
	size_t i, count = 0;
	json_t *s;
	json_array_foreach(json_object_get(row, "networks"), i, s) {
		const char *text = json_string_value(s);
		if (text && is_harmless(text) && is_v6(text) == v6) {
			if (out) {
				fprintf(out, "%s%s", count > 0 ? ", " : "", text);
			}
			count++;
		}
	}
	return count;
}

static void print_match(const json_t *result, const json_t *row, FILE *out)
{
	const char *own = ctl_str(row, "own");
	fprintf(out, "\t\t");
	if (is_out(row)) {
		fprintf(out, "meta skuid %lld ", (long long)ctl_int(result, "user"));
	} else if (*own && is_harmless(own)) {
		fprintf(out, "%s daddr %s ", is_v6(own) ? "ip6" : "ip", own);
	}
}

static const char *protocol_of(const json_t *row)
{
	return strcmp(ctl_str(row, "protocol"), "udp") == 0 ? "udp" : "tcp";
}

static void print_rule(const json_t *result, const json_t *row, FILE *out)
{
	char peer[1400];
	const char *own = ctl_str(row, "own");
	bool is_any = json_array_size(json_object_get(row, "networks")) == 0;
	fprintf(out, "\t\t# ");
	ctl_text(out, peer_of(row, peer));
	fprintf(out, ": ");
	ctl_text(out, ctl_str(row, "why"));
	fprintf(out, "\n");
	for (int v6 = 0; v6 < 2 && !is_any; v6++) {
		bool is_reachable = !own[0] || is_v6(own) == (v6 != 0); /* nft refuses a rule of both families */
		if (is_reachable && print_set(row, v6, NULL) > 0) {
			print_match(result, row, out);
			fprintf(out, "%s %s { ", v6 ? "ip6" : "ip", is_out(row) ? "daddr" : "saddr");
			print_set(row, v6, out);
			fprintf(out, " } %s dport %lld accept\n", protocol_of(row), (long long)ctl_int(row, "port"));
		}
	}
	if (is_any) {
		print_match(result, row, out);
		fprintf(out, "%s dport %lld accept\n", protocol_of(row), (long long)ctl_int(row, "port"));
	} else if (!is_out(row)) {
		print_match(result, row, out);
		fprintf(out, "%s dport %lld drop\n", protocol_of(row), (long long)ctl_int(row, "port"));
	}
}

static void print_rules(const json_t *result, bool out_rules, FILE *out)
{
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(result, "rows"), i, row) {
		if (is_out(row) == out_rules) {
			print_rule(result, row, out);
		}
	}
}

/* Of an edge: it takes connections from everybody, and must not become a way inwards. Its user has to be its alone. */
static bool is_fenced(const json_t *result)
{
	return strcmp(ctl_str(result, "role"), "edge") == 0 && ctl_int(result, "user") > 0 && !json_is_true(json_object_get(result, "instance"));
}

/* nft takes no hyphen in a name. */
static void print_name(const json_t *result, FILE *out)
{
	fprintf(out, "table inet xfed_");
	for (const char *s = ctl_str(result, "name"); *s; s++) {
		bool is_taken = (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9');
		fputc(is_taken ? *s : '_', out);
	}
}

static enum ctl_exit print_nftables(const json_t *result, FILE *out)
{
	fprintf(out,
		"# Loaded by nft -f; it concerns the ports of this service alone. Where another table drops what it does not know, the lines with\n"
		"# accept have to stand there too.\n");
	print_name(result, out);
	fprintf(out, "\ndelete ");
	print_name(result, out);
	fprintf(out, "\n");
	print_name(result, out);
	fprintf(out, " {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n"
		     "\t\tct state established,related accept\n\t\tiifname \"lo\" accept\n");
	print_rules(result, false, out);
	fprintf(out, "\t}\n");
	if (is_fenced(result)) {
		long long user = (long long)ctl_int(result, "user");
		fprintf(out, "\t# What the edge may connect to, and nothing else: a port of a partner's SRV record has to be added here.\n\tchain "
			     "output {\n"
			     "\t\ttype filter hook output priority filter; policy accept;\n\t\tct state established,related accept\n"
			     "\t\toifname \"lo\" accept\n");
		print_rules(result, true, out);
		fprintf(out, "\t\tmeta skuid %lld ct state new reject\n\t}\n", user);
	}
	fprintf(out, "}\n");
	return CTL_FINE;
}

enum ctl_exit ctl_print_firewall_print(const json_t *result, FILE *out)
{
	return strcmp(ctl_str(result, "for"), "nftables") == 0 ? print_nftables(result, out) : print_table(result, out);
}
