#include "admin/dns_records.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/rt/conf.h"
#include "xfed/rt/control.h"

#define SERVICE	  "_xmpp-server._tcp."
#define NAME_SIZE 300

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static int num(const json_t *o, const char *key)
{
	return (int)json_integer_value(json_object_get(o, key));
}

/* ---- what an edge may say ---- */

#define HEX_DIGITS   "0123456789abcdefABCDEF"
#define SHA256_CHARS 64

static bool is_address(const char *s)
{
	struct in6_addr any;
	return inet_pton(AF_INET, s, &any) == 1 || inet_pton(AF_INET6, s, &any) == 1;
}

static bool is_v4(const char *s)
{
	return is_address(s) && !strchr(s, ':');
}

static bool is_v6(const char *s)
{
	return is_address(s) && strchr(s, ':');
}

static bool is_key(const char *s)
{
	return strlen(s) == SHA256_CHARS && strspn(s, HEX_DIGITS) == SHA256_CHARS;
}

/* As it stands in a configuration that was read: it becomes part of a zone file. */
static bool is_read_as(const json_t *text, int (*convert)(struct xfed_arena *, struct xfed_span, struct xfed_span *, const char **))
{
	struct xfed_arena a;
	struct xfed_span out;
	const char *accepted;
	xfed_arena_init(&a, 16384);
	struct xfed_span in = xfed_span_make(json_string_value(text), json_string_length(text));
	bool is_one = in.len > 0 && convert(&a, in, &out, &accepted) == XFED_OK && xfed_span_eq(in, out);
	xfed_arena_deinit(&a);
	return is_one;
}

/* Takes "65535 " off the front. */
static bool skip_number(const char **s, long max)
{
	size_t len = strspn(*s, "0123456789");
	bool is_number = len > 0 && len <= 5 && (*s)[len] == ' ' && strtol(*s, NULL, 10) <= max;
	*s += is_number ? len + 1 : 0;
	return is_number;
}

/* The target is what somebody has published, in any printable characters; it ends with a dot. */
static bool is_srv(const char *s)
{
	size_t len = 0;
	if (!skip_number(&s, UINT16_MAX) || !skip_number(&s, UINT16_MAX) || !skip_number(&s, UINT16_MAX)) {
		return false;
	}
	while (isgraph((unsigned char)s[len])) {
		len++;
	}
	return len > 0 && len <= 254 && !s[len] && s[len - 1] == '.';
}

static bool is_tlsa(const char *s)
{
	if (!skip_number(&s, UINT8_MAX) || !skip_number(&s, UINT8_MAX) || !skip_number(&s, UINT8_MAX)) {
		return false;
	}
	return strcmp(s, "(long)") == 0 || (s[0] && !s[strspn(s, HEX_DIGITS)]);
}

static bool are_all(const json_t *said, const char *key, bool (*is_one)(const char *), const char *what, char words[DNS_SAID_WORDS])
{
	const json_t *list = json_object_get(said, key);
	if (!json_is_array(list)) {
		snprintf(words, DNS_SAID_WORDS, "%s is no list", key);
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text || !is_one(text)) {
			snprintf(words, DNS_SAID_WORDS, "%s[%zu] is no %s", key, i, what);
			return false;
		}
	}
	return true;
}

bool dns_facts_valid(const json_t *said, char words[DNS_SAID_WORDS])
{
	static const char *const numbers[] = { "port", "priority", "weight" };
	const json_t *name = json_object_get(said, "name"), *host = json_object_get(said, "host");
	if (!is_read_as(name, rt_conf_convert_name)) {
		snprintf(words, DNS_SAID_WORDS, "name is no name of an edge");
		return false;
	}
	if (host && !is_read_as(host, rt_conf_convert_host)) {
		snprintf(words, DNS_SAID_WORDS, "host is no host name");
		return false;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(numbers); i++) {
		const json_t *n = json_object_get(said, numbers[i]);
		if (!json_is_integer(n) || json_integer_value(n) < (i == 0) || json_integer_value(n) > UINT16_MAX) {
			snprintf(words, DNS_SAID_WORDS, "%s is no number of that kind", numbers[i]);
			return false;
		}
	}
	return are_all(said, "addresses", is_address, "IP address", words) && are_all(said, "keys", is_key, "SHA-256 hash of a key", words);
}

bool dns_answer_valid(const json_t *said, const char *type, char words[DNS_SAID_WORDS])
{
	static const char *const statuses[] = { "ok", "none", "failed", "silent" };
	static const struct {
		const char *type;
		bool (*is_one)(const char *);
	} types[] = { { "A", is_v4 }, { "AAAA", is_v6 }, { "SRV", is_srv }, { "TLSA", is_tlsa } };
	char what[32];
	bool is_status = false;
	size_t t = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(statuses); i++) {
		is_status = is_status || strcmp(str(said, "status"), statuses[i]) == 0;
	}
	while (t < XFED_ARRAY_LEN(types) && strcmp(types[t].type, type) != 0) {
		t++;
	}
	if (!is_status || t == XFED_ARRAY_LEN(types)) {
		snprintf(words, DNS_SAID_WORDS, "status is none of an answer");
		return false;
	}
	snprintf(what, sizeof(what), "record of type %s", type);
	return are_all(said, "records", types[t].is_one, what, words);
}

/* ---- what is to be published ---- */

static void add(json_t *records, const char *name, const char *type, json_t *data, const char *why)
{
	json_array_append_new(records, json_pack("{s:o, s:s, s:o, s:s}", "name", json_sprintf("%s.", name), "type", type, "data", data, "why", why));
}

static void add_services(json_t *records, const json_t *facts)
{
	size_t i, k;
	json_t *domain, *edge;
	json_array_foreach(json_object_get(facts, "domains"), i, domain) {
		char name[NAME_SIZE];
		snprintf(name, sizeof(name), SERVICE "%s", json_string_value(domain));
		json_array_foreach(json_object_get(facts, "edges"), k, edge) {
			add(records, name, "SRV",
				json_sprintf("%d %d %d %s.", num(edge, "priority"), num(edge, "weight"), num(edge, "port"), str(edge, "host")),
				"By these partners find the edges.");
		}
	}
}

/* How many there were. */
static size_t add_addresses(json_t *records, const json_t *of, const char *why)
{
	size_t i;
	json_t *address;
	json_array_foreach(json_object_get(of, "addresses"), i, address) {
		const char *text = json_string_value(address);
		add(records, str(of, "host"), strchr(text, ':') ? "AAAA" : "A", json_string(text), why);
	}
	return i;
}

static void add_edge(json_t *records, json_t *problems, const json_t *edge)
{
	if (add_addresses(records, edge, "The edges.") == 0) {
		json_array_append_new(problems, json_sprintf("the edge %s has private addresses only, so that the one partners reach it at is not "
							     "known: set external.public_addresses in its edge.yaml, then xfedctl reload there",
							str(edge, "name")));
	}
}

static void add_keys(json_t *records, const json_t *edge)
{
	size_t i;
	json_t *key;
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "_%d._tcp.%s", num(edge, "port"), str(edge, "host"));
	json_array_foreach(json_object_get(edge, "keys"), i, key) {
		add(records, name, "TLSA", json_sprintf("3 1 1 %s", json_string_value(key)),
			"DANE, only where the zones are signed (DNSSEC): the keys that the edges have now. Publish a new key's record a day before "
			"it is in use.");
	}
}

static void add_neighbour(json_t *records, json_t *problems, const json_t *neighbour)
{
	size_t i;
	json_t *partner;
	if (neighbour && add_addresses(records, neighbour,
				 "This gateway as the neighbour of Edges (sip.federation): they alone have to find it, so that a private address is "
				 "fine where they "
				 "reach it.") == 0) {
		json_array_append_new(
			problems, json_sprintf("sip.federation.listen names no address, so that the one at which Edges reach %s is not known: "
					       "publish its A or AAAA record, or name the address there",
					  str(neighbour, "host")));
	}
	json_array_foreach(json_object_get(neighbour, "partners"), i, partner) {
		const char *domain = json_string_value(partner);
		char name[NAME_SIZE];
		snprintf(name, sizeof(name), "_sipfederationtls._tcp.%s", domain);
		if (domain[0] != '*') {
			add(records, name, "SRV", json_sprintf("0 0 %d %s.", num(neighbour, "port"), str(neighbour, "host")),
				"For an Edge of Lync or Skype for Business that finds partners in the DNS: the partner publishes it, or you do in a "
				"zone that this Edge alone asks. Not needed where New-CsAllowedDomain names the proxy (xfedctl partner routes).");
		}
	}
}

json_t *dns_records(const json_t *facts)
{
	size_t i;
	json_t *edge, *records = json_array(), *problems = json_array();
	add_services(records, facts);
	json_array_foreach(json_object_get(facts, "edges"), i, edge) {
		add_edge(records, problems, edge);
	}
	json_array_foreach(json_object_get(facts, "edges"), i, edge) {
		add_keys(records, edge);
	}
	add_neighbour(records, problems, json_object_get(facts, "neighbour"));
	return json_pack("{s:o, s:o}", "records", records, "problems", problems);
}

/* ---- what is published ---- */

static const json_t *answer(const json_t *answers, const char *type, const char *name)
{
	char key[NAME_SIZE + 8];
	snprintf(key, sizeof(key), "%s %s", type, name);
	return json_object_get(answers, key);
}

static const json_t *found(const json_t *answers, const char *type, const char *name)
{
	return json_object_get(answer(answers, type, name), "records");
}

struct srv {
	unsigned priority, weight, port;
	char target[256]; /* without the final dot; "": the service is not offered */
};

static bool read_srv(const char *text, struct srv *out)
{
	if (sscanf(text, "%u %u %u %255s", &out->priority, &out->weight, &out->port, out->target) != 4) {
		return false;
	}
	size_t len = strlen(out->target);
	out->target[len > 0 ? len - 1 : 0] = '\0';
	return true;
}

static void ask(json_t *list, json_t *seen, const json_t *answers, const char *type, const char *name)
{
	char key[NAME_SIZE + 8];
	snprintf(key, sizeof(key), "%s %s", type, name);
	if (!json_object_get(answers, key) && !json_object_get(seen, key)) {
		json_object_set_new(seen, key, json_true());
		json_array_append_new(list, json_string(key));
	}
}

json_t *dns_questions(const json_t *facts, const json_t *answers)
{
	size_t i, k;
	json_t *domain, *record, *list = json_array(), *seen = json_object();
	json_array_foreach(json_object_get(facts, "domains"), i, domain) {
		char name[NAME_SIZE];
		snprintf(name, sizeof(name), SERVICE "%s", json_string_value(domain));
		ask(list, seen, answers, "SRV", name);
		json_array_foreach(found(answers, "SRV", name), k, record) {
			struct srv srv;
			if (read_srv(json_string_value(record), &srv) && srv.target[0]) {
				ask(list, seen, answers, "A", srv.target);
				ask(list, seen, answers, "AAAA", srv.target);
				snprintf(name, sizeof(name), "_%u._tcp.%s", srv.port, srv.target);
				ask(list, seen, answers, "TLSA", name);
				snprintf(name, sizeof(name), SERVICE "%s", json_string_value(domain));
			}
		}
	}
	json_decref(seen);
	return list;
}

/* ---- the differences ---- */

struct judging {
	const json_t *facts, *answers;
	json_t *steps;
	json_t *judged; /* targets, with their ports: each is judged once */
};

static void step(struct judging *j, const char *name, const char *state, enum xfed_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static void step(struct judging *j, const char *name, const char *state, enum xfed_reason reason, const char *fmt, ...)
{
	char text[1400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rt_control_add_step(j->steps, name, state, reason, text);
}

#define SRV_STEP     "srv"
#define ADDRESS_STEP "address"
#define TLSA_STEP    "tlsa"

/* Whether there is an answer to judge: else why there is none has become a step. `*is_none`: there is no such record. */
static bool was_answered(struct judging *j, const char *name, const char *type, const char *of, bool *is_none)
{
	const char *status = str(answer(j->answers, type, of), "status");
	*is_none = strcmp(status, "none") == 0;
	if (strcmp(status, "silent") == 0) {
		step(j, name, "problem", XFED_REASON_DNS_TIMEOUT, "%s %s: no answer", of, type);
	} else if (strcmp(status, "failed") == 0) {
		step(j, name, "problem", XFED_REASON_DNS_BOGUS, "%s %s: the server answers with a failure", of, type);
	} else if (strcmp(status, "invalid") == 0) {
		step(j, name, "problem", XFED_REASON_NONE, "%s %s: the edge's answer is not valid: %s", of, type,
			str(answer(j->answers, type, of), "text"));
	} else if (strcmp(status, "unasked") == 0) {
		step(j, name, "problem", XFED_REASON_DNS_TIMEOUT, "%s %s: not asked, as the other answers took all the time", of, type);
	} else {
		return true;
	}
	return false;
}

static bool leads_to(const struct judging *j, const json_t *edge, const struct srv *srv)
{
	static const char *const types[] = { "A", "AAAA" };
	for (size_t t = 0; t < XFED_ARRAY_LEN(types); t++) {
		size_t i;
		json_t *address;
		json_array_foreach(found(j->answers, types[t], srv->target), i, address) {
			if (rt_control_has_text(json_object_get(edge, "addresses"), json_string_value(address))) {
				return true;
			}
		}
	}
	return json_is_true(json_object_get(edge, "is_named")) && strcmp(str(edge, "host"), srv->target) == 0;
}

static const json_t *edge_of(const struct judging *j, const struct srv *srv)
{
	size_t i;
	json_t *edge;
	json_array_foreach(json_object_get(j->facts, "edges"), i, edge) {
		if (leads_to(j, edge, srv)) {
			return edge;
		}
	}
	return NULL;
}

/* An edge whose public address is not known. */
static const json_t *unknown_edge(const struct judging *j)
{
	size_t i;
	json_t *edge;
	json_array_foreach(json_object_get(j->facts, "edges"), i, edge) {
		if (json_array_size(json_object_get(edge, "addresses")) == 0 && !json_is_true(json_object_get(edge, "is_named"))) {
			return edge;
		}
	}
	return NULL;
}

static void judge_place(struct judging *j, const char *name, const char *record, const struct srv *srv, const json_t *edge)
{
	bool is_alone = json_array_size(json_object_get(j->facts, "edges")) == 1;
	if ((int)srv->port != num(edge, "port")) {
		step(j, SRV_STEP, "problem", XFED_REASON_NONE, "%s SRV %s: the edge %s listens on port %d", name, record, str(edge, "name"),
			num(edge, "port"));
	} else if ((int)srv->priority != num(edge, "priority") || (int)srv->weight != num(edge, "weight")) {
		step(j, SRV_STEP, is_alone ? "note" : "problem", XFED_REASON_NONE, "%s SRV %s: priority and weight of the edge %s are %d %d%s", name,
			record, str(edge, "name"), num(edge, "priority"), num(edge, "weight"),
			is_alone ? ", which is the same where there is one edge" : "");
	} else if (json_is_true(json_object_get(edge, "is_named")) && strcmp(srv->target, str(edge, "host")) != 0) {
		step(j, SRV_STEP, "note", XFED_REASON_NONE, "%s SRV %s: the edge %s by another name than %s", name, record, str(edge, "name"),
			str(edge, "host"));
	} else {
		step(j, SRV_STEP, "ok", XFED_REASON_NONE, "%s SRV %s: the edge %s", name, record, str(edge, "name"));
	}
}

static void judge_strange(struct judging *j, const char *name, const char *record, const struct srv *srv)
{
	const json_t *unknown = unknown_edge(j);
	bool has_address = json_array_size(found(j->answers, "A", srv->target)) + json_array_size(found(j->answers, "AAAA", srv->target)) > 0;
	if (unknown && has_address) {
		step(j, SRV_STEP, "note", XFED_REASON_NONE,
			"%s SRV %s: whether that is the edge %s is not known: external.public_addresses in its edge.yaml tells", name, record,
			str(unknown, "name"));
	} else if (has_address) {
		step(j, SRV_STEP, "problem", XFED_REASON_NONE, "%s SRV %s: that is no edge of this gateway", name, record);
	}
}

static void judge_addresses(struct judging *j, const struct srv *srv, const json_t *edge)
{
	static const char *const types[] = { "A", "AAAA" };
	size_t i, count = 0, known = json_array_size(json_object_get(edge, "addresses"));
	json_t *address;
	bool is_none;
	for (size_t t = 0; t < XFED_ARRAY_LEN(types); t++) {
		if (!was_answered(j, ADDRESS_STEP, types[t], srv->target, &is_none)) {
			count++; /* told */
		}
		json_array_foreach(found(j->answers, types[t], srv->target), i, address) {
			const char *text = json_string_value(address);
			bool is_good = known == 0 || rt_control_has_text(json_object_get(edge, "addresses"), text);
			count++;
			step(j, ADDRESS_STEP, is_good ? "ok" : "problem", XFED_REASON_NONE, "%s %s %s%s%s", srv->target, types[t], text,
				is_good ? "" : ": no address of the edge ", is_good ? "" : str(edge, "name"));
		}
	}
	if (count == 0) {
		step(j, ADDRESS_STEP, "problem", XFED_REASON_NONE, "%s has no address", srv->target);
		return;
	}
	json_array_foreach(json_object_get(edge, "addresses"), i, address) {
		const char *text = json_string_value(address);
		if (!rt_control_has_text(found(j->answers, strchr(text, ':') ? "AAAA" : "A", srv->target), text)) {
			step(j, ADDRESS_STEP, "problem", XFED_REASON_NONE, "%s does not have %s, an address of the edge %s", srv->target, text,
				str(edge, "name"));
		}
	}
}

static void judge_keys(struct judging *j, const struct srv *srv, const json_t *edge)
{
	char name[NAME_SIZE];
	size_t i;
	json_t *record, *key;
	bool is_none;
	snprintf(name, sizeof(name), "_%u._tcp.%s", srv->port, srv->target);
	const json_t *published = found(j->answers, "TLSA", name);
	if (!was_answered(j, TLSA_STEP, "TLSA", name, &is_none)) {
		return;
	}
	if (json_array_size(published) == 0) {
		step(j, TLSA_STEP, "note", XFED_REASON_NONE, "%s has no TLSA record: nothing depends on one", name);
		return;
	}
	json_array_foreach(json_object_get(edge, "keys"), i, key) {
		char text[128];
		snprintf(text, sizeof(text), "3 1 1 %.100s", json_string_value(key));
		bool is_there = rt_control_has_text(published, text);
		step(j, TLSA_STEP, is_there ? "ok" : "problem", XFED_REASON_NONE,
			is_there ? "%s TLSA %s" : "%s has no TLSA %s, a key of the edge %s: partners who use DANE refuse it", name, text,
			str(edge, "name"));
	}
	json_array_foreach(published, i, record) {
		const char *text = json_string_value(record);
		if (strncmp(text, "3 1 1 ", 6) != 0 || !rt_control_has_text(json_object_get(edge, "keys"), text + 6)) {
			step(j, TLSA_STEP, "note", XFED_REASON_NONE, "%s TLSA %.150s: no key that is in use now", name, text);
		}
	}
}

static void judge_target(struct judging *j, const struct srv *srv, const json_t *edge)
{
	char key[NAME_SIZE];
	snprintf(key, sizeof(key), "%s:%u", srv->target, srv->port);
	if (!json_object_get(j->judged, key)) {
		json_object_set_new(j->judged, key, json_true());
		judge_addresses(j, srv, edge);
		if (edge) {
			judge_keys(j, srv, edge);
		}
	}
}

static void judge_unled(struct judging *j, const char *name, const json_t *led)
{
	size_t i;
	json_t *edge;
	json_array_foreach(json_object_get(j->facts, "edges"), i, edge) {
		bool is_unknown = json_array_size(json_object_get(edge, "addresses")) == 0 && !json_is_true(json_object_get(edge, "is_named"));
		if (!is_unknown && !json_object_get(led, str(edge, "name"))) {
			step(j, SRV_STEP, "problem", XFED_REASON_NONE, "%s: no SRV record leads to the edge %s; to be added: %d %d %d %s.", name,
				str(edge, "name"), num(edge, "priority"), num(edge, "weight"), num(edge, "port"), str(edge, "host"));
		}
	}
}

static void judge_domain(struct judging *j, const char *domain)
{
	char name[NAME_SIZE];
	size_t i;
	json_t *record, *led = json_object();
	bool is_none;
	snprintf(name, sizeof(name), SERVICE "%s", domain);
	if (was_answered(j, SRV_STEP, "SRV", name, &is_none)) {
		json_array_foreach(found(j->answers, "SRV", name), i, record) {
			struct srv srv = { 0 };
			const char *text = json_string_value(record);
			const json_t *edge = read_srv(text, &srv) && srv.target[0] ? edge_of(j, &srv) : NULL;
			if (edge) {
				json_object_set_new(led, str(edge, "name"), json_true());
				judge_place(j, name, text, &srv, edge);
			} else if (srv.target[0]) {
				judge_strange(j, name, text, &srv);
			} else {
				step(j, SRV_STEP, "problem", XFED_REASON_NONE, "%s SRV %s: it says that %s has no XMPP", name, text, domain);
			}
			if (srv.target[0]) {
				judge_target(j, &srv, edge);
			}
		}
		if (is_none) {
			step(j, SRV_STEP, "problem", XFED_REASON_NONE, "%s has no SRV record: xfedctl dns print %s has those that are needed", name,
				domain);
		} else {
			judge_unled(j, name, led);
		}
	}
	json_decref(led);
}

json_t *dns_differences(const json_t *facts, const json_t *answers)
{
	struct judging j = { facts, answers, json_array(), json_object() };
	size_t i;
	json_t *domain;
	json_array_foreach(json_object_get(facts, "domains"), i, domain) {
		judge_domain(&j, json_string_value(domain));
	}
	json_decref(j.judged);
	return j.steps;
}
