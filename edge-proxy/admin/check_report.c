/* The findings of a check as steps that an operator reads from top to bottom. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "admin/check.h"

#define NAMES_MAX 20

void check_step(json_t *steps, const char *step, enum check_state state, enum xfed_reason reason, const char *fmt, ...)
{
	static const char *const words[] = { [CHECK_OK] = "ok", [CHECK_NOTE] = "note", [CHECK_PROBLEM] = "problem" };
	char raw[600], clean[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	rt_control_add_step(steps, step, words[state], reason, proto_text_clean(clean, sizeof(clean), raw));
}

/* ---- DNS ---- */

static void list_srv(json_t *steps, const char *step, const struct xfed_dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		const struct xfed_dns_record *r = &answer->records[i];
		bool is_dot = xfed_span_is(r->srv.target, ".");
		check_step(steps, step, CHECK_OK, XFED_REASON_NONE, "SRV %u %u %u %.*s%s", r->srv.priority, r->srv.weight, r->srv.port,
			(int)(r->srv.target.len > 255 ? 255 : r->srv.target.len), r->srv.target.data,
			is_dot && answer->count == 1 ? " (not offered)" : "");
	}
}

static void note_srv(json_t *steps, const char *step, const char *domain, enum check_state when_missing, const struct xfed_dns_answer *answer,
	enum xfed_reason reason)
{
	if (!answer) {
		check_step(steps, step, CHECK_PROBLEM, reason, "no answer for _xmpp-server._tcp.%s", domain);
		return;
	}
	switch (answer->status) {
	case XFED_DNS_OK:
		list_srv(steps, step, answer);
		break;
	case XFED_DNS_NO_DATA:
		check_step(steps, step, when_missing, XFED_REASON_NONE, "no SRV record: the addresses of %s itself, port 5269", domain);
		break;
	case XFED_DNS_SERVFAIL:
	case XFED_DNS_TRUNCATED:
	case XFED_DNS_BOGUS_REPLY:
		check_step(steps, step, CHECK_PROBLEM, XFED_REASON_DNS_BOGUS, "the resolver fails for _xmpp-server._tcp.%s", domain);
		break;
	}
}

void check_note_srv(struct check *k, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	note_srv(k->steps, "dns", k->remote, CHECK_NOTE, answer, reason);
}

void check_note_our_srv(struct check *k, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	note_srv(k->reverse, "reverse-dns", k->local, CHECK_NOTE, answer, reason);
}

void check_note_our_addresses(struct check *k, const struct rt_endpoints *found)
{
	char text[RT_ADDR_TEXT];
	if (found->reason != XFED_REASON_NONE) {
		bool is_missing = found->reason == XFED_REASON_DNS_NAME_MISSING || found->reason == XFED_REASON_DNS_SRV_REFUSED;
		check_step(k->reverse, "reverse-dns", CHECK_PROBLEM, is_missing ? XFED_REASON_DNS_OWN_MISSING : found->reason,
			"partners cannot find our domain %s: publish _xmpp-server._tcp.%s with a target that has an address", k->local, k->local);
		return;
	}
	for (size_t i = 0; i < found->count; i++) {
		bool is_here = s2s_leads_here(k->admin->s2s, &found->list[i].addr);
		check_step(k->reverse, "reverse-dns", is_here ? CHECK_OK : CHECK_NOTE, XFED_REASON_NONE, "%s leads to %s, %s", k->local,
			rt_addr_text(&found->list[i].addr, text),
			is_here ? "which is this edge" : "which is no address of this edge (another one, or one in front of it)");
	}
}

/* ---- what the partner is shown ---- */

void check_note_own_certificate(struct check *k)
{
	const struct xfed_cert *cert = xfed_tls_creds_proof(s2s_creds(k->admin->s2s), xfed_span_str(k->local));
	char until[24];
	if (!cert) {
		check_step(k->steps, "own-certificate", CHECK_PROBLEM, XFED_REASON_TLS_OWN_MISSING, "no certificate of certificates[] names %s",
			k->local);
		return;
	}
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	int64_t now_s = core_wall_s(k->admin->core);
	enum xfed_reason reason = rt_cert_problem(cert, now_s);
	bool is_over = reason == XFED_REASON_TLS_OWN_EXPIRED, is_soon = f->not_after_s < now_s + RT_CERT_SOON_S;
	bool is_for_servers = f->eku != 0 && !(f->eku & (XFED_EKU_CLIENT | XFED_EKU_ANY));
	rt_control_time(f->not_after_s, until);
	if (reason != XFED_REASON_NONE) {
		check_step(k->steps, "own-certificate", CHECK_PROBLEM, reason, "ours for %s %s %s", k->local,
			is_over ? "has expired, at" : "is not valid before", rt_control_time(is_over ? f->not_after_s : f->not_before_s, until));
	} else {
		check_step(k->steps, "own-certificate", is_soon || is_for_servers ? CHECK_NOTE : CHECK_OK, XFED_REASON_NONE,
			"ours for %s is good until %s, %.200s%s", k->local, until, f->subject,
			is_for_servers ? "; it is for servers alone, which some partners (ejabberd) do not take for EXTERNAL" : "");
	}
}

/* ---- TCP ---- */

void check_note_addresses(struct check *k)
{
	size_t reachable = 0;
	for (size_t i = 0; i < k->address_count; i++) {
		reachable += k->addresses[i].is_reachable;
	}
	for (size_t i = 0; i < k->address_count; i++) {
		const struct check_address *a = &k->addresses[i];
		char text[RT_ADDR_TEXT];
		rt_addr_text(&a->addr, text);
		if (a->is_reachable) {
			check_step(k->steps, "tcp", CHECK_OK, XFED_REASON_NONE, "%s at %s answers within %u ms", a->target, text, a->took_ms);
		} else if (a->refused) {
			check_step(k->steps, "dns", reachable > 0 ? CHECK_NOTE : CHECK_PROBLEM, a->reason, "%s leads to %s, which is %s: not called",
				a->target, text, a->refused);
		} else {
			check_step(k->steps, "tcp", reachable > 0 ? CHECK_NOTE : CHECK_PROBLEM, a->reason, "%s at %s: %s", a->target, text, a->text);
		}
	}
}

/* ---- what streams show ---- */

static const struct {
	unsigned bit;
	const char *word;
} ekus[] = { { XFED_EKU_SERVER, "serverAuth" }, { XFED_EKU_CLIENT, "clientAuth" }, { XFED_EKU_SIP, "sipDomain" }, { XFED_EKU_ANY, "any" },
	{ XFED_EKU_OTHER, "other" } };

json_t *check_certificate(const struct xfed_cert *cert, size_t names_max)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	json_t *eku = json_array(), *names = json_array();
	for (size_t i = 0; i < XFED_ARRAY_LEN(ekus); i++) {
		if (f->eku & ekus[i].bit) {
			json_array_append_new(eku, json_string(ekus[i].word));
		}
	}
	for (size_t i = 0; i < f->name_count && i < names_max; i++) {
		json_array_append_new(names, json_string(f->names[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "subject", f->subject, "issuer", f->issuer, "serial", f->serial_hex, "sha256",
		f->sha256_hex, "not_before", (json_int_t)f->not_before_s, "not_after", (json_int_t)f->not_after_s, "eku", eku, "names", names);
}

/* Taken from the first stream that received features; a later one inside TLS replaces what was seen in the clear. */
void check_take_peer(struct check_peer *p, const struct xfed_s2s_info *info)
{
	if (info->is_secure && !p->is_secure) {
		p->is_secure = true;
		p->has_features = false;
		snprintf(p->tls, sizeof(p->tls), "%s", info->tls.version ? info->tls.version : "");
		snprintf(p->cipher, sizeof(p->cipher), "%s", info->tls.cipher ? info->tls.cipher : "");
		p->cert_reason = info->cert_reason;
		p->has_certificate = info->tls.peer != NULL;
		p->certificate = info->tls.peer ? check_certificate(info->tls.peer, NAMES_MAX) : NULL;
	}
	if (info->has_features && !p->has_features && info->is_secure == p->is_secure) {
		p->has_features = true;
		p->offers_tls = info->offers_tls;
		p->offers_external = info->offers_external;
		p->offers_dialback = info->offers_dialback;
	}
}

static const struct check_method *method_of(const struct check *k, enum xfed_method method)
{
	for (size_t i = 0; i < k->method_count; i++) {
		if (k->methods[i].method == method) {
			return &k->methods[i];
		}
	}
	return NULL;
}

static bool works(const struct check *k)
{
	for (size_t i = 0; i < k->method_count; i++) {
		if (k->methods[i].works && !k->methods[i].is_for_way_back) {
			return true;
		}
	}
	return false;
}

static void note_tls(struct check *k)
{
	const struct check_peer *p = &k->peer;
	const struct check_method *tried = &k->methods[0];
	bool plain_is_enough = k->allowed & XFED_METHOD_DIALBACK_PLAIN;
	if (p->is_secure) {
		check_step(k->steps, "tls", CHECK_OK, XFED_REASON_NONE, "%s %s", p->tls, p->cipher);
	} else if (tried->method != XFED_METHOD_DIALBACK_PLAIN) {
		check_step(k->steps, "tls", plain_is_enough && works(k) ? CHECK_NOTE : CHECK_PROBLEM, tried->reason, "no TLS came about: %s",
			tried->text);
	} else {
		check_step(k->steps, "tls", CHECK_NOTE, XFED_REASON_NONE, "not used: policy says tls: not-supported");
	}
}

static void join_names(const json_t *certificate, char *out, size_t size)
{
	size_t i, len = 0;
	json_t *name;
	out[0] = '\0';
	json_array_foreach(json_object_get(certificate, "names"), i, name) {
		int n = len < size ? snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", json_string_value(name)) : 0;
		len += n > 0 ? (size_t)n : 0;
	}
}

static void note_certificate(struct check *k)
{
	const struct check_peer *p = &k->peer;
	char names[300], until[32] = "-";
	if (!p->is_secure) {
		return;
	}
	if (!p->certificate) {
		check_step(k->steps, "certificate", works(k) ? CHECK_NOTE : CHECK_PROBLEM, p->cert_reason, "%s",
			p->has_certificate ? "it cannot be read" : "none was presented");
		return;
	}
	time_t end = (time_t)json_integer_value(json_object_get(p->certificate, "not_after"));
	struct tm tm;
	bool is_soon = end < core_wall_s(k->admin->core) + RT_CERT_SOON_S;
	if (gmtime_r(&end, &tm)) {
		strftime(until, sizeof(until), "%Y-%m-%d", &tm);
	}
	join_names(p->certificate, names, sizeof(names));
	if (p->cert_reason != XFED_REASON_NONE) {
		check_step(k->steps, "certificate", works(k) ? CHECK_NOTE : CHECK_PROBLEM, p->cert_reason,
			"it does not prove %s (%s)%s: names %s; until %s; issuer %s", k->remote, xfed_reason_code(p->cert_reason),
			works(k) ? ", which dialback does not need" : "", names[0] ? names : "none", until,
			json_string_value(json_object_get(p->certificate, "issuer")));
	} else {
		check_step(k->steps, "certificate", is_soon ? CHECK_NOTE : CHECK_OK, XFED_REASON_NONE, "proves %s%s: names %s; until %s; issuer %s",
			k->remote, is_soon ? ", but expires within 14 days" : "", names, until,
			json_string_value(json_object_get(p->certificate, "issuer")));
	}
}

static void note_offers(struct check *k)
{
	const struct check_peer *p = &k->peer;
	if (!p->has_features) {
		check_step(k->steps, "offers", CHECK_NOTE, XFED_REASON_NONE, "not seen: no stream got as far");
		return;
	}
	check_step(k->steps, "offers", CHECK_OK, XFED_REASON_NONE, "%s: EXTERNAL %s, dialback %s", p->is_secure ? "inside TLS" : "in the clear",
		p->offers_external ? "yes" : "no", p->offers_dialback ? "yes" : "not named (many servers do not name it)");
}

static void note_methods(struct check *k)
{
	bool any = works(k), is_chosen = false;
	for (size_t i = 0; i < k->method_count; i++) {
		const struct check_method *m = &k->methods[i];
		if (m->is_for_way_back) {
			continue;
		}
		if (m->works) {
			check_step(k->steps, "method", CHECK_OK, XFED_REASON_NONE, "%s works%s", xfed_method_name(m->method),
				is_chosen ? "" : ", and is the one that will be used");
			is_chosen = true;
		} else {
			check_step(k->steps, "method", any ? CHECK_NOTE : CHECK_PROBLEM, m->reason, "%s does not work: %s%s%s",
				xfed_method_name(m->method), xfed_reason_code(m->reason), m->text[0] ? ": " : "", m->text);
		}
	}
}

/* Whether the partner has connected back to have our dialback key verified, which nothing but a connection from the partner can show. */
static void note_way_back(struct check *k)
{
	for (size_t i = 0; i < k->method_count; i++) {
		if (k->methods[i].works && k->methods[i].method != XFED_METHOD_EXTERNAL) {
			check_step(k->steps, "way-back", CHECK_OK, XFED_REASON_NONE, "the partner has had our dialback key confirmed");
			return;
		}
	}
	for (size_t i = 0; i < k->method_count; i++) {
		const struct check_method *m = &k->methods[i];
		bool has_not_come = m->reason == XFED_REASON_DIALBACK_TIMEOUT || m->reason == XFED_REASON_DIALBACK_AUTHORITY_UNREACHABLE ||
				    m->reason == XFED_REASON_DIALBACK_AUTHORITY_UNKNOWN;
		if (has_not_come && !s2s_has_inbound(k->admin->s2s, xfed_span_str(k->local), xfed_span_str(k->remote))) {
			check_step(k->steps, "way-back", CHECK_PROBLEM, m->reason,
				"the partner has not come to us, or not found us, to have our dialback key confirmed: its messages will not arrive "
				"either");
			return;
		}
	}
}

void check_note_streams(struct check *k)
{
	if (k->method_count == 0) {
		return;
	}
	note_tls(k);
	note_certificate(k);
	note_offers(k);
	note_methods(k);
	note_way_back(k);
}

/* ---- the whole ---- */

static json_t *endpoints(const struct check *k)
{
	json_t *list = json_array();
	for (size_t i = 0; i < k->address_count; i++) {
		const struct check_address *a = &k->addresses[i];
		char text[RT_ADDR_TEXT];
		json_t *j = json_pack("{s:s, s:s, s:b}", "target", a->target, "address", rt_addr_text(&a->addr, text), "reachable", a->is_reachable);
		if (j && !a->is_reachable && a->reason != XFED_REASON_NONE) {
			json_object_set_new(j, "reason", json_string(xfed_reason_code(a->reason)));
		}
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *methods(const struct check *k)
{
	static const enum xfed_method all[] = { XFED_METHOD_EXTERNAL, XFED_METHOD_DIALBACK_TLS, XFED_METHOD_DIALBACK_PLAIN };
	json_t *list = json_array();
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		const struct check_method *m = method_of(k, all[i]);
		m = m && !m->is_for_way_back ? m : NULL;
		json_t *j = json_pack("{s:s, s:b}", "method", xfed_method_name(all[i]), "allowed", m != NULL);
		if (j && m && m->was_tried) {
			json_object_set_new(j, "works", json_boolean(m->works));
		}
		if (j && m && m->was_tried && !m->works) {
			json_object_set_new(j, "reason", json_string(xfed_reason_code(m->reason)));
		}
		json_array_append_new(list, j);
	}
	return list;
}

json_t *check_result(struct check *k)
{
	const struct check_peer *p = &k->peer;
	json_t *inbound = admin_pair(k->admin, xfed_span_str(k->local), xfed_span_str(k->remote));
	json_array_extend(k->steps, k->reverse);
	json_t *j = json_pack("{s:s, s:s, s:I, s:O, s:o, s:o, s:b}", "domain", k->remote, "local", k->local, "took_ms",
		(json_int_t)(core_now(k->admin->core) - k->began_ms), "steps", k->steps, "endpoints", endpoints(k), "methods", methods(k), "inbound",
		json_is_true(json_object_get(inbound, "in")));
	json_decref(inbound);
	if (j && p->is_secure) {
		json_object_set_new(j, "tls", json_string(p->tls));
		json_object_set_new(j, "cipher", json_string(p->cipher));
	}
	if (j && p->certificate) {
		json_object_set(j, "certificate", p->certificate);
	}
	if (j && p->has_features) {
		json_object_set_new(j, "offers", json_pack("{s:b, s:b}", "external", p->offers_external, "dialback", p->offers_dialback));
	}
	return j;
}
