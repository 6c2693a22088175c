#include "admin/explain.h"

#include <stdarg.h>
#include <stdio.h>

#include "admin/hop_words.h"
#include "xfed/limits.h"

static const char *const gate_names[] = {
#define X(id, name) name,
	EXPLAIN_GATES(X)
#undef X
};

const char *explain_gate_name(enum explain_gate_id id)
{
	return id < EXPLAIN_GATE_COUNT ? gate_names[id] : "";
}

const char *explain_kind_word(enum explain_kind kind)
{
	static const char *const words[] = {
#define X(id, word, ...) word,
		EXPLAIN_KINDS(X)
#undef X
	};
	return kind < EXPLAIN_KIND_COUNT ? words[kind] : "";
}

/* What is judged, and of what. */
struct judging {
	const struct explain_facts *f;
	enum explain_kind kind;
};

static bool has_pair(const struct explain_facts *f)
{
	return f->policy.from_is_good && f->policy.to_is_good && f->policy.from_is_ours != f->policy.to_is_ours;
}

static void say(struct explain_gate *g, enum policy_state state, enum xfed_reason reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void say(struct explain_gate *g, enum policy_state state, enum xfed_reason reason, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(g->text, sizeof(g->text), fmt, ap);
	va_end(ap);
	g->state = state;
	g->reason = reason;
}

#define PASS(...)	   say(g, POLICY_OPEN, XFED_REASON_NONE, __VA_ARGS__)
#define CLOSE(reason, ...) say(g, POLICY_CLOSED, reason, __VA_ARGS__)
#define SKIP(...)	   say(g, POLICY_SKIPPED, XFED_REASON_NONE, __VA_ARGS__)

/* ---- policy: policy_gates() has judged, here are the words ---- */

#define SAY(...) say(g, g->state, g->reason, __VA_ARGS__)

static void addresses(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (g->state == POLICY_OPEN && f->from_has_user && f->to_has_user) {
		SAY("from %s to %s", f->from, f->to);
	} else if (g->state == POLICY_OPEN) {
		SAY("from %s to %s; %s is the address of a domain, that of a user is user@domain", f->from, f->to,
			f->from_has_user ? f->to : f->from);
	} else {
		SAY("%s is no address", f->policy.from_is_good ? f->to : f->from);
	}
}

static void direction(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (g->state == POLICY_SKIPPED) {
		SAY("an address cannot be read");
	} else if (g->state == POLICY_OPEN) {
		SAY("%s, our domain is %s", f->policy.to_is_ours ? "XMPP to SIP" : "SIP to XMPP", f->local_domain);
	} else if (f->policy.to_is_ours) {
		SAY("both domains are ours");
	} else {
		SAY("neither domain is one of domains[], which has %s", f->ours);
	}
}

static void partner(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (g->state == POLICY_SKIPPED) {
		SAY("there is no pair of a partner and us");
	} else if (g->state == POLICY_CLOSED) {
		SAY("%s", f->why_not_partner);
	} else if (strcmp(f->partner, f->remote_domain) != 0) {
		SAY("%s covers %s", f->partner_file, f->remote_domain);
	} else {
		SAY("%s", f->partner_file);
	}
}

static void kinds(const struct judging *j, struct explain_gate *g)
{
	bool is_message = j->kind == EXPLAIN_OF_MESSAGE;
	if (g->state == POLICY_SKIPPED) {
		SAY(has_pair(j->f) ? "the partner is not listed" : "there is no pair of a partner and us");
	} else if (g->state == POLICY_CLOSED) {
		SAY("kinds in %s does not name %s", j->f->partner_file, is_message ? "message" : "presence");
	} else {
		SAY(is_message ? "messages are allowed" : "presence is allowed");
	}
}

static void access_policy(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	const char *user = f->policy.to_is_ours ? f->to : f->from;
	if (g->state == POLICY_SKIPPED) {
		SAY("no local user is known");
	} else if (g->state == POLICY_CLOSED && g->reason == XFED_REASON_POLICY_ACCESS_BROKEN) {
		SAY("the rule %s cannot be loaded, and could be about %s", f->access_rule, user);
	} else if (f->access_rule && g->state == POLICY_OPEN) {
		SAY("the rule %s allows %s", f->access_rule, user);
	} else if (f->access_rule) {
		SAY("the rule %s refuses %s: %s", f->access_rule, user, f->access_off);
	} else if (g->state == POLICY_CLOSED) {
		SAY("no rule of access_dir covers %s, and there are rules", user);
	} else {
		SAY("there are no rules: everybody may");
	}
}

static void contact_of_ours(const struct judging *j, struct explain_gate *g)
{
	switch (j->kind) {
	case EXPLAIN_OF_MESSAGE:
		SAY("our user writes, which authorises answers for a day");
		break;
	case EXPLAIN_OF_SUBSCRIPTION:
		SAY("our user asks, which adds the contact: it may write and ask too, as long as it is added");
		break;
	default:
		SAY("what our user shows goes to whom it was granted");
		break;
	}
}

static void contact(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	bool is_message = j->kind == EXPLAIN_OF_MESSAGE, has_written = is_message && f->policy.is_written_to;
	if (g->state == POLICY_SKIPPED) {
		SAY(has_pair(f) ? "the partner is not listed" : "there is no pair of a partner and us");
	} else if (g->state == POLICY_CLOSED) {
		SAY(is_message ? "the partner is public-unverified, and %s has not written to %s within a day, nor added it"
			       : "the partner is public-unverified, and %s has not added %s",
			f->to, f->from);
	} else if (f->policy.from_is_ours) {
		contact_of_ours(j, g);
	} else if (has_written || f->policy.is_added) {
		bool has_added = iw_relation_is_to(f->relation.state) || iw_relation_is_pending_out(f->relation.state);
		SAY(has_written	    ? "%s has written to %s within a day"
			: has_added ? "%s has added %s"
				    : "an operator has approved for %s: %s (contact approve)",
			f->to, f->from);
	} else {
		SAY("the partner is %s: its users may %s first", f->policy.type == XFED_PARTNER_FEDERATED ? "federated" : "public-verified",
			is_message ? "write" : "ask");
	}
}

static void mapping(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (g->state == POLICY_SKIPPED) {
		SAY("there is no pair of a partner and us");
	} else if (g->state == POLICY_CLOSED) {
		SAY("%s cannot be said on the other side", f->policy.from_maps ? f->to : f->from);
	} else {
		SAY("both addresses exist on either side");
	}
}

static const char *age(int64_t s, char out[32])
{
	if (s < 120) {
		snprintf(out, 32, "%lld s", (long long)s);
	} else if (s < 7200) {
		snprintf(out, 32, "%lld min", (long long)(s / 60));
	} else {
		snprintf(out, 32, "%lld h", (long long)(s / 3600));
	}
	return out;
}

/* ---- the way ---- */

/* Closed where nobody else has sent as our domain since: else it is a stranger, whoever he is. */
static void sender(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (!has_pair(f) || !f->policy.from_is_ours) {
		SKIP("SIP is not where it comes from");
	} else if (j->kind == EXPLAIN_OF_PRESENCE) {
		SKIP("it comes from the SIP server that we ask");
	} else if (f->untrusted && !f->has_trusted) {
		CLOSE(XFED_REASON_SIP_SENDER_UNTRUSTED, "%s", f->untrusted);
	} else if (f->untrusted) {
		PASS("others may send as %s; %s", f->local_domain, f->untrusted);
	} else {
		PASS("nobody who may not send as %s has tried to", f->local_domain);
	}
}

static void takes(const struct explain_facts *f, struct explain_gate *g)
{
	char most[80], refused[120] = "";
	snprintf(most, sizeof(most), f->is_hop_udp ? "%zu bytes (domains[].max_request), by TCP above %d" : "%zu bytes (domains[].max_request)",
		f->max_request, XFED_SIP_UDP_REQUEST_BYTES);
	if (f->hop.row.count > 0) {
		snprintf(refused, sizeof(refused), ", the last message with %d, which may be its recipient's device alone", f->hop.refusals.status);
	}
	PASS("%s%s%s; takes requests of up to %s", f->next_hop, f->hop.is_known ? " answers" : " has been asked and has not answered yet", refused,
		most);
}

/* The SIP server is told what comes from a partner, and asked for the presence of its users. */
static void next_hop(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	char words[HOP_WORDS_SIZE];
	bool is_asked = f->policy.from_is_ours && j->kind == EXPLAIN_OF_PRESENCE;
	if (!has_pair(f) || (!f->policy.to_is_ours && !is_asked)) {
		SKIP("SIP is not where it goes");
	} else if (!f->next_hop) {
		PASS("not looked at yet");
	} else if (f->hop.is_known && f->hop.reason != XFED_REASON_NONE) {
		const char *advice = hop_words_advice(&f->hop);
		CLOSE(hop_words_reason(&f->hop), "%s %s%s%s", f->next_hop, hop_words(&f->hop, words), advice ? ": " : "", advice ? advice : "");
	} else {
		takes(f, g);
	}
}

static bool is_usable(const struct explain_edge *e)
{
	return e->is_up && !e->is_draining;
}

static size_t usable_edges(const struct explain_facts *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->edge_count; i++) {
		n += is_usable(&f->edges[i]);
	}
	return n;
}

/* Names of edges into `out`, those that `is` holds for. */
static const char *name_edges(const struct explain_facts *f, bool (*is)(const struct explain_edge *e), char *out, size_t size)
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < f->edge_count && len < size; i++) {
		if (is(&f->edges[i])) {
			int n = snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", f->edges[i].name);
			len += n > 0 ? (size_t)n : 0;
		}
	}
	return out;
}

static void edge_link(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	char names[256];
	if (usable_edges(f) > 0) {
		PASS("linked: %s", name_edges(f, is_usable, names, sizeof(names)));
		return;
	}
	for (size_t i = 0; i < f->edge_count; i++) {
		const struct explain_edge *e = &f->edges[i];
		if (!e->is_up) {
			/* The reasons of connections and names speak of partners: the text has the cause, and this one the remedy. */
			bool is_ours = xfed_reason_info(e->link_reason)->side != XFED_SIDE_PARTNER && e->link_reason != XFED_REASON_NONE;
			CLOSE(is_ours ? e->link_reason : XFED_REASON_CHANNEL_DOWN, "no link to the edge %s%s%s", e->name, e->link_text[0] ? ": " : "",
				e->link_text);
			return;
		}
	}
	CLOSE(XFED_REASON_SERVICE_LEAVING, "every edge is going out of service");
}

static bool is_in_service(const char *state)
{
	return strcmp(state, "in-service") == 0;
}

/* The words of `status`. Unless it leaves, a gateway is out of service for want of an edge alone. */
static void gateway(const struct judging *j, struct explain_gate *g)
{
	const char *state = j->f->service, *words = rt_command_state_words(state);
	if (is_in_service(state)) {
		PASS("%s", words);
	} else if (strcmp(state, "draining") == 0) {
		CLOSE(XFED_REASON_SERVICE_LEAVING, "%s: this gateway is going out of service", words);
	} else {
		CLOSE(XFED_REASON_CHANNEL_DOWN, "%s: there is no edge that takes messages", words);
	}
}

static void policy(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (usable_edges(f) == 0) {
		SKIP("no edge is linked");
		return;
	}
	for (size_t i = 0; i < f->edge_count; i++) {
		const struct explain_edge *e = &f->edges[i];
		if (!is_usable(e)) {
			continue;
		}
		if (e->policy_problem != XFED_REASON_NONE) {
			CLOSE(e->policy_problem, "the edge %s refused our policy", e->name);
			return;
		}
		if (e->is_policy_pending || (e->has_answered && !e->has_revision)) {
			CLOSE(XFED_REASON_CHANNEL_POLICY_DRIFT, "the edge %s has another policy than this gateway%s", e->name,
				e->is_policy_pending ? "; ours is on its way" : "");
			return;
		}
	}
	PASS("our policy is in force at every edge that is linked");
}

static void edge(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	size_t answered = 0;
	if (usable_edges(f) == 0) {
		SKIP("no edge is linked");
		return;
	}
	if (!has_pair(f)) {
		SKIP("there is no pair of a partner and us");
		return;
	}
	for (size_t i = 0; i < f->edge_count; i++) {
		const struct explain_edge *e = &f->edges[i];
		if (is_usable(e) && e->has_answered) {
			answered++;
			if (!is_in_service(e->service)) {
				CLOSE(XFED_REASON_CHANNEL_DOWN, "the edge %s: %s", e->name, rt_command_state_words(e->service));
				return;
			}
		}
	}
	if (answered == 0) {
		CLOSE(XFED_REASON_CHANNEL_TIMEOUT, "no edge has answered");
	} else {
		PASS("%s", rt_command_state_words("in-service"));
	}
}

/* Theirs: they open it. Who failed to has proved nothing, and may be anybody: that closes no gate, and is no word about the partner. */
static void stream_in(const struct explain_facts *f, struct explain_gate *g)
{
	const struct explain_failure *last = &f->last_in;
	char when[32];
	for (size_t i = 0; i < f->edge_count; i++) {
		if (f->edges[i].has_inbound) {
			PASS("a stream of theirs is open at %s", f->edges[i].name);
			return;
		}
	}
	if (last->reason == XFED_REASON_NONE) {
		PASS("none of theirs is open; they have not failed to open one");
	} else {
		PASS("none of theirs is open; who claimed to be %s %s ago failed without having authenticated: %s (failures show %llu)",
			f->remote_domain, age(last->age_s, when), xfed_reason_code(last->reason), (unsigned long long)last->id);
	}
}

static void close_failed(const struct explain_edge *e, struct explain_gate *g)
{
	char when[32], worked[32], next[80] = "the next message, or failures retry, makes another";
	const char *text = e->last_text ? e->last_text : "";
	if (e->retry_in_ms > 0) {
		snprintf(next, sizeof(next), "the next is not made for %llu ms, but by failures retry", (unsigned long long)e->retry_in_ms);
	}
	CLOSE(e->last_reason, "the last attempt of %s failed%s%s%s%s%s, %s; %s%s%s", e->name, e->failed_ago_s >= 0 ? " " : "",
		e->failed_ago_s >= 0 ? age(e->failed_ago_s, when) : "", e->failed_ago_s >= 0 ? " ago" : "", text[0] ? ": " : "", text, next,
		e->worked_ago_s >= 0 ? "one worked " : "none has worked since the edge was started",
		e->worked_ago_s >= 0 ? age(e->worked_ago_s, worked) : "", e->worked_ago_s >= 0 ? " ago" : "");
}

/* The edge that tried last counts; one that never tried is no reason to hope, as the pair stays where it is. */
static void stream_out(const struct explain_facts *f, struct explain_gate *g)
{
	const struct explain_edge *failed = NULL;
	bool has_worked = false; /* since the last failure that is known */
	char when[32];
	for (size_t i = 0; i < f->edge_count; i++) {
		const struct explain_edge *e = &f->edges[i];
		if (e->has_answered && e->is_ready) {
			bool is_second_best = e->why_not_external != XFED_REASON_NONE;
			PASS("a stream of ours is open at %s%s%s", e->name, is_second_best ? ", by dialback: " : "",
				is_second_best ? xfed_reason_info(e->why_not_external)->remedy : "");
			return;
		}
		failed = e->has_answered && e->last_reason != XFED_REASON_NONE ? e : failed;
		has_worked = has_worked || (e->has_answered && e->worked_ago_s >= 0 && e->worked_ago_s <= f->last_out.age_s);
	}
	if (failed) {
		close_failed(failed, g);
	} else if (f->last_out.reason != XFED_REASON_NONE && !has_worked) {
		PASS("none is open, the next message opens one; the last failed attempt was %s ago (failures show %llu)",
			age(f->last_out.age_s, when), (unsigned long long)f->last_out.id);
	} else {
		PASS("none is open, the next message opens one");
	}
}

/* What our user was not let see yet is asked for over ours. */
static bool is_theirs(const struct judging *j)
{
	bool is_to_be_asked = j->kind == EXPLAIN_OF_PRESENCE && !iw_relation_is_to(j->f->relation.state);
	return j->f->policy.to_is_ours && !is_to_be_asked;
}

static void stream(const struct judging *j, struct explain_gate *g)
{
	const struct explain_facts *f = j->f;
	if (!has_pair(f) || !f->policy.is_listed || usable_edges(f) == 0) {
		SKIP("behind a closed gate");
	} else if (is_theirs(j)) {
		stream_in(f, g);
	} else {
		stream_out(f, g);
	}
}

/* ---- who lets whom see: an answer of people and their servers, not of policy ---- */

/* `seer` sees `seen`, or has asked to and waits. */
struct sight {
	const char *seer, *seen;
	bool is_ours; /* the seer */
	bool is_granted, is_asked;
};

static struct sight sight_of(const struct judging *j)
{
	const struct explain_facts *f = j->f;
	enum iw_relation_state s = f->relation.state;
	bool is_request = j->kind == EXPLAIN_OF_SUBSCRIPTION, is_ours = is_request ? f->policy.from_is_ours : f->policy.to_is_ours;
	return (struct sight){
		.seer = is_request ? f->from : f->to,
		.seen = is_request ? f->to : f->from,
		.is_ours = is_ours,
		.is_granted = is_ours ? iw_relation_is_to(s) : iw_relation_is_from(s),
		.is_asked = is_ours ? iw_relation_is_pending_out(s) : iw_relation_is_pending_in(s),
	};
}

static void approval(const struct judging *j, struct explain_gate *g)
{
	struct sight s = sight_of(j);
	char when[32] = "", words[80] = "";
	if (!s.is_ours && j->f->asked_ago_s >= 0) {
		snprintf(words, sizeof(words), " for %s", age(j->f->asked_ago_s, when));
	}
	if (!has_pair(j->f)) {
		SKIP("there is no pair of a partner and us");
	} else if (j->kind == EXPLAIN_OF_MESSAGE) {
		SKIP("a message needs none");
	} else if (s.is_granted) {
		PASS("%s may see %s", s.seer, s.seen);
	} else if (j->kind == EXPLAIN_OF_SUBSCRIPTION) {
		PASS("%s %s%s: %s answers", s.seer, s.is_asked ? "has asked, and waits" : "has not asked yet", s.is_asked ? words : "",
			s.is_ours ? "the contact, or its server," : "the user, or the SIP server,");
	} else {
		CLOSE(XFED_REASON_PRESENCE_APPROVAL_MISSING, "%s has %s to see %s%s%s", s.seer, s.is_asked ? "asked" : "not asked", s.seen,
			s.is_asked ? ", and waits for an answer" : "", s.is_asked ? words : "");
	}
}

/* What nobody watches is shown to nobody; what of an end is to come again may be old. */
static void shown(const struct judging *j, struct explain_gate *g)
{
	struct sight s = sight_of(j);
	const struct explain_shown *w = s.is_ours ? &j->f->user_watches : &j->f->contact_watches;
	if (j->kind != EXPLAIN_OF_PRESENCE) {
		SKIP("it shows nothing");
	} else if (!has_pair(j->f) || !s.is_granted) {
		SKIP("behind a closed gate");
	} else if (w->active == 0 && w->others > 0) {
		CLOSE(XFED_REASON_PRESENCE_SUBSCRIPTION_MISSING, "%s may see %s; the subscription that shows it is %s", s.seer, s.seen, w->state);
	} else if (w->active == 0) {
		CLOSE(XFED_REASON_PRESENCE_SUBSCRIPTION_MISSING, "%s may see %s, but there is no subscription %s", s.seer, s.seen,
			s.is_ours ? "of a device of the user's" : "of ours at the SIP server");
	} else if (w->is_stale) {
		CLOSE(XFED_REASON_PRESENCE_SUBSCRIPTION_STALE, "something may have been missed of %s, and is asked for again", s.seen);
	} else {
		PASS("%zu active", w->active);
	}
}

static void (*const gates[EXPLAIN_GATE_COUNT])(const struct judging *j, struct explain_gate *g) = {
	[EXPLAIN_ADDRESSES] = addresses,
	[EXPLAIN_DIRECTION] = direction,
	[EXPLAIN_PARTNER] = partner,
	[EXPLAIN_KINDS] = kinds,
	[EXPLAIN_ACCESS] = access_policy,
	[EXPLAIN_CONTACT] = contact,
	[EXPLAIN_MAPPING] = mapping,
	[EXPLAIN_SENDER] = sender,
	[EXPLAIN_NEXT_HOP] = next_hop,
	[EXPLAIN_LINK] = edge_link,
	[EXPLAIN_GATEWAY] = gateway,
	[EXPLAIN_POLICY] = policy,
	[EXPLAIN_EDGE] = edge,
	[EXPLAIN_STREAM] = stream,
	[EXPLAIN_APPROVAL] = approval,
	[EXPLAIN_SHOWN] = shown,
};

enum explain_gate_id explain_gates(const struct explain_facts *f, enum explain_kind kind, struct explain_gate out[EXPLAIN_GATE_COUNT])
{
	struct judging j = { f, kind };
	struct policy_verdict verdicts[POLICY_GATE_COUNT];
	enum explain_gate_id first = EXPLAIN_GATE_COUNT;
	policy_gates(&f->policy, kind == EXPLAIN_OF_MESSAGE ? POLICY_MESSAGE : POLICY_PRESENCE, false, verdicts);
	for (int i = 0; i < EXPLAIN_GATE_COUNT; i++) {
		out[i] = (struct explain_gate){ 0 };
		if (i < (int)POLICY_GATE_COUNT) {
			out[i].state = verdicts[i].state;
			out[i].reason = verdicts[i].reason;
		}
		gates[i](&j, &out[i]);
		if (out[i].state == POLICY_CLOSED && first == EXPLAIN_GATE_COUNT) {
			first = (enum explain_gate_id)i;
		}
	}
	return first;
}
