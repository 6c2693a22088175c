/* cert show and cert check: what is in the files, what the services have seen, and what is wrong with it. */
#include <stdio.h>
#include <unistd.h>

#include "cert_pair.h"
#include "xfed/rt/control.h"

struct looking {
	struct cert_run *r;
	json_t *certificates, *watched; /* objects */
	json_t *uncovered;		/* domains */
	json_t *problems;		/* sentences */
};

/* ---- one certificate of ours ---- */

static json_t *names_of(const struct xfed_cert_facts *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->name_count; i++) {
		json_array_append_new(list, json_string(f->names[i]));
	}
	return list;
}

static void judge_dates(struct looking *l, const struct cert_pair *p, const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	char until[64];
	int64_t now_s = l->r->now_s;
	if (f->not_before_s > now_s) {
		cert_run_add(l->problems, "%s is not valid yet", p->certificate);
	} else if (f->not_after_s < now_s + RT_CERT_SOON_S) {
		cert_run_add(l->problems, "%s ends %s: renew it", p->certificate, cert_until(f->not_after_s, now_s, until));
	}
}

static bool is_key_of(const char *key_path, const char *certificate_path)
{
	struct cert_pile p = { .crt_count = 0 };
	struct xfed_buf text;
	struct cert_id key, crt;
	char words[CERT_ERROR];
	bool is_fine = cert_file_read(certificate_path, &text, words) == XFED_OK && cert_pile_add(&p, xfed_buf_span(&text), NULL, words) == XFED_OK;
	xfed_buf_wipe(&text);
	is_fine = is_fine && cert_file_read(key_path, &text, words) == XFED_OK && cert_pile_add(&p, xfed_buf_span(&text), NULL, words) == XFED_OK;
	xfed_buf_wipe(&text);
	is_fine = is_fine && p.crt_count > 0 && p.key_count > 0 && cert_id_of(p.crts[0], &crt) == XFED_OK &&
		  cert_id_of_key(p.keys[p.key_count - 1], &key) == XFED_OK && cert_id_eq(&crt, &key);
	cert_pile_deinit(&p);
	return is_fine;
}

static void judge_key(struct looking *l, const struct cert_pair *p)
{
	char words[CERT_ERROR];
	struct xfed_buf text;
	struct cert_pile pile = { .crt_count = 0 };
	char why[CERT_ERROR];
	int rc = cert_file_read(p->key, &text, words);
	bool is_key = rc == XFED_OK && cert_pile_add(&pile, xfed_buf_span(&text), NULL, why) == XFED_OK && pile.key_count > 0;
	xfed_buf_wipe(&text);
	cert_pile_deinit(&pile);
	if (rc != XFED_OK) {
		cert_run_add(l->problems, "%s", words);
	} else if (!is_key) {
		cert_run_add(l->problems, "%s: there is no key in it that can be used", p->key);
	} else if (!is_key_of(p->key, p->certificate)) {
		cert_run_add(l->problems, "%s is not the key of %s", p->key, p->certificate);
	}
}

static void judge_name(struct looking *l, const struct cert_pair *p, const struct xfed_cert *cert)
{
	if (cert_pair_lacks_name(p, cert)) {
		cert_run_add(l->problems, "%s does not name %s, which is %s.advertise", p->certificate, p->name, p->where);
	}
}

static void look_at_pair(struct looking *l, const struct cert_host *h, const struct cert_pair *p)
{
	struct xfed_cert *cert;
	char words[CERT_ERROR], pending[PATH_MAX + 8];
	json_t *j = json_pack("{s:s, s:s, s:s, s:b}", "service", h->base->name, "what", p->where, "file", p->certificate, "waits",
		access(cert_pair_pending(p, pending), F_OK) == 0);
	if (cert_pair_load(p->certificate, &cert, words) != XFED_OK) {
		cert_run_add(l->problems, "%s", words);
		json_object_set_new(j, "problem", json_string(words));
	} else {
		const struct xfed_cert_facts *f = xfed_cert_facts(cert);
		json_object_set_new(j, "subject", json_string(f->subject));
		json_object_set_new(j, "issuer", json_string(f->issuer));
		json_object_set_new(j, "names", names_of(f));
		json_object_set_new(j, "not_after", json_integer((json_int_t)f->not_after_s));
		json_object_set_new(j, "days", json_integer((json_int_t)((f->not_after_s - l->r->now_s) / 86400)));
		judge_dates(l, p, cert);
		judge_name(l, p, cert);
		judge_key(l, p);
	}
	json_array_append_new(l->certificates, j);
	xfed_cert_free(cert);
}

/* ---- what no certificate names ---- */

static bool is_covered(const struct cert_host *h, const char *domain)
{
	bool is_so = false;
	for (size_t i = 0; !is_so && i < h->pair_count; i++) {
		struct xfed_cert *cert = NULL;
		char words[CERT_ERROR];
		if (h->pairs[i].role == CERT_ROLE_EDGE && cert_pair_load(h->pairs[i].certificate, &cert, words) == XFED_OK) {
			is_so = xfed_cert_proves_xmpp(cert, xfed_span_str(domain));
		}
		xfed_cert_free(cert);
	}
	return is_so;
}

static void look_at_domains(struct looking *l, const struct cert_host *h)
{
	json_t *domains = h->edge ? cert_host_domains(h) : NULL, *domain;
	size_t i;
	json_array_foreach(domains, i, domain) {
		if (!is_covered(h, json_string_value(domain))) {
			json_array_append(l->uncovered, domain);
			cert_run_add(l->problems, "no certificate of certificates[] names %s: cert request makes a request for it",
				json_string_value(domain));
		}
	}
	json_decref(domains);
}

/* ---- what the services have seen ---- */

static void take_watched(struct looking *l, const struct cert_host *h)
{
	char words[CERT_ERROR];
	size_t i;
	json_t *result = cert_host_ask(h, "watched", "certificates", words), *one;
	json_array_foreach(json_object_get(result, "certificates"), i, one) {
		if (strcmp(ctl_str(one, "owner"), "us") == 0) {
			continue; /* from the files, with more to them */
		}
		json_t *j = json_deep_copy(one);
		json_object_set_new(j, "service", json_string(h->base->name));
		json_array_append_new(l->watched, j);
	}
	json_decref(result);
}

/* What the service itself says of certificates: on a gateway, what its edges say too. */
static void take_problems(struct looking *l, const json_t *status)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(status, "problems"), i, one) {
		if (strncmp(ctl_str(one, "reason"), "tls.own.", 8) == 0) {
			cert_run_add(l->problems, "%s: %s", ctl_str(status, "name"), ctl_str(one, "text"));
		}
	}
	json_array_foreach(json_object_get(status, "edges"), i, one) {
		take_problems(l, one);
	}
}

static void look_at_service(struct looking *l, const struct cert_host *h)
{
	char words[CERT_ERROR];
	json_t *status = cert_host_ask(h, "status", "", words);
	if (status) {
		take_watched(l, h);
		take_problems(l, status);
	} else {
		cert_run_add(l->r->notes, "%s %s does not answer: what it has seen of others is not shown", cert_host_service(h), h->base->name);
	}
	json_decref(status);
}

/* ---- told ---- */

static void print_names(struct ctl_table *t, const json_t *names)
{
	char line[512] = "";
	size_t i, len = 0;
	json_t *name;
	json_array_foreach(names, i, name) {
		const char *s = json_string_value(name);
		len += len < sizeof(line)
			       ? (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i > 0 ? " " : "", strncmp(s, "dns:", 4) == 0 ? s + 4 : s)
			       : 0;
	}
	ctl_table_add(t, line);
}

static void print_ours(const struct looking *l)
{
	struct ctl_table t;
	size_t i;
	json_t *one;
	char until[64];
	ctl_table_init(&t, 5);
	ctl_table_add(&t, "certificate");
	ctl_table_add(&t, "until");
	ctl_table_add(&t, "names");
	ctl_table_add(&t, "by");
	ctl_table_add(&t, "file");
	json_array_foreach(l->certificates, i, one) {
		bool is_there = json_object_get(one, "not_after") != NULL;
		ctl_table_addf(&t, "%s %s%s", ctl_str(one, "service"), ctl_str(one, "what"),
			json_is_true(json_object_get(one, "waits")) ? " (a request waits)" : "");
		ctl_table_add(&t, is_there ? cert_until((int64_t)ctl_int(one, "not_after"), l->r->now_s, until) : NULL);
		print_names(&t, json_object_get(one, "names"));
		ctl_table_add(&t, ctl_str(one, "issuer"));
		ctl_table_add(&t, ctl_str(one, "file"));
	}
	ctl_table_print(&t, "", stdout);
}

static void print_watched(const struct looking *l)
{
	struct ctl_table t;
	size_t i;
	json_t *one;
	char until[64];
	if (json_array_size(l->watched) == 0) {
		return;
	}
	printf("\nshown by others, as they were seen last\n");
	ctl_table_init(&t, 3);
	json_array_foreach(l->watched, i, one) {
		ctl_table_addf(&t, "%s %s", ctl_str(one, "owner"), ctl_str(one, "name"));
		ctl_table_add(&t, cert_until((int64_t)ctl_int(one, "not_after"), l->r->now_s, until));
		ctl_table_addf(&t, "seen by %s", ctl_str(one, "service"));
	}
	ctl_table_print(&t, "", stdout);
}

static enum ctl_exit tell(const struct looking *l, bool is_check)
{
	bool is_fine = json_array_size(l->problems) == 0;
	if (l->r->options->is_json) {
		json_t *j = json_pack("{s:b, s:O, s:O, s:O, s:O, s:O}", "ok", is_fine, "certificates", l->certificates, "watched", l->watched,
			"uncovered", l->uncovered, "problems", l->problems, "notes", l->r->notes);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
	} else {
		if (!is_check) {
			print_ours(l);
			print_watched(l);
		}
		ctl_print_texts(is_check ? "" : "problem: ", l->problems);
		ctl_print_texts("note: ", l->r->notes);
		printf(is_check && is_fine ? "fine: %zu certificates\n" : "", json_array_size(l->certificates));
	}
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}

static enum ctl_exit look(const json_t *args, const struct ctl_options *options, bool is_check)
{
	struct cert_run r;
	enum ctl_exit status = cert_run_open(&r, CERT_OF_ANY, args, options);
	if (status == CTL_FINE) {
		struct looking l = { &r, json_array(), json_array(), json_array(), json_array() };
		for (size_t i = 0; i < r.hosts.count; i++) {
			for (size_t k = 0; k < r.hosts.items[i].pair_count; k++) {
				look_at_pair(&l, &r.hosts.items[i], &r.hosts.items[i].pairs[k]);
			}
			look_at_domains(&l, &r.hosts.items[i]);
			look_at_service(&l, &r.hosts.items[i]);
		}
		status = tell(&l, is_check);
		json_decref(l.certificates);
		json_decref(l.watched);
		json_decref(l.uncovered);
		json_decref(l.problems);
	}
	cert_run_close(&r);
	return status;
}

enum ctl_exit ctl_do_cert_show(const json_t *args, const struct ctl_options *options)
{
	return look(args, options, false);
}

enum ctl_exit ctl_do_cert_check(const json_t *args, const struct ctl_options *options)
{
	return look(args, options, true);
}
