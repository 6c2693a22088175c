/*
 * dns print, dns check. The edges say what is true of them; which records follow from that, and how what is published differs, is in
 * dns_records.h. An edge asks the DNS: it stands where partners do, and the inside may have another view.
 */
#include <stdio.h>

#include "admin/admin.h"
#include "admin/dns_records.h"
#include "xfed/mem.h"

#define ASK_MS	    15000 /* one question: the resolver of the edge tries several times */
#define ALL_MS	    20000 /* behind this no further one is asked */
#define ASK_AT_ONCE 8

struct dns_job {
	struct admin *admin;
	struct rt_reply reply;
	bool is_check;
	json_t *facts, *by_edge; /* what the edges have said of themselves, by number */
	json_t *problems;	 /* sentences */
	json_t *answers, *waiting;
	size_t edge; /* that asks */
	char server[RT_ADDR_TEXT];
	uint64_t began_ms;
	size_t pending;
	bool is_lost; /* the edge answers no more: nothing further is asked */
};

struct dns_ask {
	struct dns_job *job;
	char key[320]; /* "SRV NAME" */
};

static void job_free(struct dns_job *k)
{
	json_decref(k->facts);
	json_decref(k->by_edge);
	json_decref(k->problems);
	json_decref(k->answers);
	json_decref(k->waiting);
	xfed_free(k);
}

/* ---- the facts ---- */

/* What the edge is called in the DNS, where its configuration does not say: "edge1.example.com". */
static void name_edge(struct dns_job *k, json_t *edge)
{
	const char *domain = json_string_value(json_object_get(k->facts, "first"));
	bool is_named = json_object_get(edge, "host") != NULL;
	json_object_set_new(edge, "is_named", json_boolean(is_named));
	if (!is_named) {
		json_object_set_new(edge, "host", json_sprintf("%s.%s", json_string_value(json_object_get(edge, "name")), domain));
	}
}

static json_t *ascii(const char *domain)
{
	struct xfed_arena a;
	struct xfed_span out;
	bool is_wildcard = domain[0] == '*';
	xfed_arena_init(&a, 16384);
	json_t *j = xfed_jid_domain_ascii(&a, xfed_span_str(is_wildcard ? domain + 2 : domain), &out) == XFED_OK
			    ? json_sprintf("%s%.*s", is_wildcard ? "*." : "", (int)out.len, out.data)
			    : NULL;
	xfed_arena_deinit(&a);
	return j;
}

static json_t *partners(const struct xfed_policy *all)
{
	json_t *list = json_array();
	for (size_t i = 0; i < xfed_policy_partner_count(all); i++) {
		const struct xfed_partner *p = xfed_policy_partner_at(all, i);
		for (size_t n = 0; xfed_partner_is_served(p) && n <= p->additional_count; n++) {
			json_array_append_new(list, ascii(n == 0 ? p->domain : p->additional[n - 1]));
		}
	}
	return list;
}

/* Those that it listens at, where they are named. */
static json_t *addresses(const struct rt_conf_addresses *listen)
{
	json_t *list = json_array();
	for (size_t i = 0; i < listen->count; i++) {
		struct rt_addr a;
		const char *host = listen->items[i].host;
		bool is_one = rt_addr_parse_host(&a, xfed_span_str(host), 0) == XFED_OK && rt_addr_kind(&a) != RT_ADDR_UNSPECIFIED;
		if (is_one && !rt_control_has_text(list, host)) {
			json_array_append_new(list, json_string(host));
		}
	}
	return list;
}

/* `only` NULL: all our domains. */
static json_t *facts(const struct policy *policy, const struct config_domain *only)
{
	const struct config *c = policy_config(policy);
	json_t *domains = json_array();
	for (size_t i = 0; i < c->domains.count; i++) {
		if (!only || only == &c->domains.items[i]) {
			json_array_append_new(domains, ascii(c->domains.items[i].domain));
		}
	}
	/* One edge has one name, whichever domain was asked about: of the first that is configured. */
	json_t *j = json_pack("{s:o, s:[], s:o}", "domains", domains, "edges", "first", ascii(c->domains.items[0].domain));
	if (j && c->sip.federation.listen.count > 0) {
		json_object_set_new(j, "neighbour",
			json_pack("{s:s, s:i, s:o, s:o}", "host", c->sip.federation.advertise, "port", (int)c->sip.federation.listen.items[0].port,
				"addresses", addresses(&c->sip.federation.listen), "partners", partners(policy_partners(policy))));
	}
	return j;
}

/* ---- dns check ---- */

static void ask_more(struct dns_job *k);

static bool has_problem(const json_t *steps)
{
	size_t i;
	json_t *s;
	json_array_foreach(steps, i, s) {
		if (strcmp(json_string_value(json_object_get(s, "state")), "problem") == 0) {
			return true;
		}
	}
	return false;
}

static void end_check(struct dns_job *k)
{
	struct channel_edge e;
	size_t i;
	json_t *text, *steps = json_array(), *found = dns_differences(k->facts, k->answers);
	channel_edge(k->admin->channel, k->edge, &e);
	json_array_foreach(k->problems, i, text) {
		rt_control_add_step(steps, "edges", "problem", XFED_REASON_NONE, json_string_value(text));
	}
	json_array_extend(steps, found);
	json_decref(found);
	rt_reply_ok(k->reply, json_pack("{s:b, s:s, s:s*, s:O, s:o}", "ok", !has_problem(steps), "edge", e.name, "server",
				      k->server[0] ? k->server : NULL, "domains", json_object_get(k->facts, "domains"), "steps", steps));
	job_free(k);
}

/* What is kept of it: nothing that has not been checked. */
static json_t *answer_of(const struct dns_ask *q, bool ok, json_t *answer)
{
	char type[8], words[DNS_SAID_WORDS];
	snprintf(type, sizeof(type), "%.*s", (int)strcspn(q->key, " "), q->key);
	if (!ok) {
		return json_pack("{s:s, s:[]}", "status", "silent", "records");
	}
	return dns_answer_valid(answer, type, words) ? json_incref(answer)
						     : json_pack("{s:s, s:s, s:[]}", "status", "invalid", "text", words, "records");
}

static void on_answered(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct dns_ask *q = user;
	struct dns_job *k = q->job;
	(void)l;
	json_object_set_new(k->answers, q->key, answer_of(q, ok, answer));
	xfed_free(q);
	k->pending--;
	k->is_lost = k->is_lost || !answer;
	ask_more(k);
}

/* Takes the last of those that wait. */
static bool ask_one(struct dns_job *k)
{
	size_t last = json_array_size(k->waiting) - 1;
	struct dns_ask *q = xfed_calloc(1, sizeof(*q));
	if (!q) {
		return false;
	}
	q->job = k;
	snprintf(q->key, sizeof(q->key), "%s", json_string_value(json_array_get(k->waiting, last)));
	char type[8] = "", *space = strchr(q->key, ' ');
	snprintf(type, sizeof(type), "%.*s", (int)(space - q->key), q->key);
	struct channel_arg args[] = { { "name", space + 1 }, { "type", type }, { "server", k->server } };
	bool is_asked = channel_ask(k->admin->channel, k->edge, "dns.ask", args, k->server[0] ? 3 : 2, ASK_MS, on_answered, q);
	if (is_asked) {
		k->pending++;
		json_array_remove(k->waiting, last);
	} else {
		xfed_free(q);
	}
	return is_asked;
}

static void leave_unasked(struct dns_job *k)
{
	size_t i;
	json_t *key;
	json_array_foreach(k->waiting, i, key) {
		json_object_set_new(k->answers, json_string_value(key), json_pack("{s:s, s:[]}", "status", "unasked", "records"));
	}
	json_array_clear(k->waiting);
}

static void ask_more(struct dns_job *k)
{
	bool may_ask = !k->is_lost && core_now(k->admin->core) - k->began_ms < ALL_MS;
	while (k->pending < ASK_AT_ONCE && may_ask) {
		if (json_array_size(k->waiting) == 0 && k->pending == 0) { /* the answers may lead to further questions */
			json_decref(k->waiting);
			k->waiting = dns_questions(k->facts, k->answers);
		}
		if (json_array_size(k->waiting) == 0) {
			break;
		}
		may_ask = ask_one(k);
	}
	if (!may_ask) {
		leave_unasked(k);
	}
	if (k->pending == 0) {
		end_check(k);
	}
}

/* ---- the edges ---- */

static void facts_done(struct dns_job *k)
{
	const char *number;
	json_t *edge;
	if (--k->pending > 0) {
		return;
	}
	for (size_t i = 0; i < channel_edge_count(k->admin->channel); i++) {
		char key[24];
		snprintf(key, sizeof(key), "%zu", i);
		number = key;
		edge = json_object_get(k->by_edge, number);
		if (edge) {
			name_edge(k, edge);
			json_array_append(json_object_get(k->facts, "edges"), edge);
		}
	}
	if (k->is_check) {
		k->began_ms = core_now(k->admin->core);
		ask_more(k);
		return;
	}
	json_t *j = dns_records(k->facts);
	json_array_extend(k->problems, json_object_get(j, "problems"));
	json_object_set(j, "problems", k->problems);
	rt_reply_ok(k->reply, j);
	job_free(k);
}

static void on_facts(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct dns_job *k = user;
	char key[24], wrong[DNS_SAID_WORDS];
	const char *words = json_string_value(json_object_get(answer, "text"));
	if (ok && dns_facts_valid(answer, wrong)) {
		snprintf(key, sizeof(key), "%zu", l->number);
		json_object_set(k->by_edge, key, answer);
	} else if (ok) {
		json_array_append_new(k->problems, json_sprintf("the answer of the edge %s is not valid: %s", l->name, wrong));
	} else {
		json_array_append_new(
			k->problems, json_sprintf("the edge %s %s%.200s", l->name, words ? "says: " : "has not answered", words ? words : ""));
	}
	facts_done(k);
}

static void begin(struct dns_job *k)
{
	struct channel *c = k->admin->channel;
	k->pending = 1;
	for (size_t i = 0; i < channel_edge_count(c); i++) {
		struct channel_edge e;
		channel_edge(c, i, &e);
		if (channel_ask(c, i, "dns.facts", NULL, 0, CHANNEL_ANSWER_MS, on_facts, k)) {
			k->pending++;
		} else {
			json_array_append_new(
				k->problems, json_sprintf("there is no link to the edge %s, so that its records are not known", e.name));
		}
	}
	facts_done(k);
}

static struct dns_job *job_new(struct admin *ad, struct rt_reply reply, const struct config_domain *only)
{
	struct dns_job *k = xfed_calloc(1, sizeof(*k));
	if (k) {
		*k = (struct dns_job){ .admin = ad,
			.reply = reply,
			.facts = facts(ad->policy, only),
			.by_edge = json_object(),
			.problems = json_array(),
			.answers = json_object(),
			.waiting = json_array() };
	}
	return k;
}

/* ---- the commands ---- */

/* False: the reply has been sent. `*only` NULL: no domain was given. */
static bool read_domain(struct admin *ad, struct rt_reply reply, const json_t *args, const struct config_domain **only)
{
	const char *domain = json_string_value(json_object_get(args, "domain"));
	struct xfed_arena a;
	struct xfed_span name;
	xfed_arena_init(&a, 16384);
	bool is_domain = domain && xfed_jid_domain(&a, xfed_span_str(domain), &name) == XFED_OK;
	*only = is_domain ? config_domain(policy_config(ad->policy), name) : NULL;
	xfed_arena_deinit(&a);
	if (domain && !is_domain) {
		rt_reply_fail(reply, "bad-request", "%.200s is no domain", domain);
	} else if (domain && !*only) {
		rt_reply_fail(reply, "not-found", "%.200s is not one of domains[]", domain);
	}
	return !domain || *only;
}

static void start(struct rt_reply reply, struct dns_job *k)
{
	if (k) {
		begin(k);
	} else {
		rt_reply_fail(reply, "failed", "out of memory");
	}
}

void command_dns_print(struct rt_reply reply, const json_t *args, void *user)
{
	const struct config_domain *only;
	if (read_domain(user, reply, args, &only)) {
		start(reply, job_new(user, reply, only));
	}
}

void command_dns_check(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *server = json_string_value(json_object_get(args, "server"));
	const struct config_domain *only;
	struct channel_edge e;
	struct rt_addr addr;
	if (server && rt_addr_parse(&addr, xfed_span_str(server), 53) != XFED_OK) {
		rt_reply_fail(reply, "bad-request", "%.200s is no address of a server: 192.0.2.53, or with its port 192.0.2.53:5353", server);
	} else if (read_domain(ad, reply, args, &only) && admin_edge_for(ad, reply, json_string_value(json_object_get(args, "edge")), &e)) {
		struct dns_job *k = job_new(ad, reply, only);
		if (k) {
			k->is_check = true;
			k->edge = e.number;
			if (server) {
				rt_addr_text(&addr, k->server);
			}
		}
		start(reply, k);
	}
}
