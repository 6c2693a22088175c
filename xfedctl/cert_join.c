/* A host joins the channel with its bundle: files, names, owners and modes, so that its service starts. */
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cert_channel.h"
#include "cert_judge.h"
#include "xfed/rt/conf_edit.h"

/* ---- files ---- */

static int plan_file(struct cert_run *r, const char *path, struct xfed_span text, enum cert_plan_kind kind)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	int rc = text.len > 0 ? cert_plan_dir(&r->plan, dirname(copy), 0755, r->error) : XFED_OK;
	rc = rc == XFED_OK && text.len > 0 ? cert_plan_add(&r->plan, path, text, kind, r->error) : rc;
	if (rc == XFED_OK && text.len > 0) {
		cert_run_add(r->done, "%s: %s", path, kind == CERT_PLAN_KEY ? "the key, readable for the service alone" : "written");
	}
	return rc;
}

int cert_join_plan(struct cert_run *r, const char *certificate, struct xfed_span certificate_pem, const char *key, struct xfed_span key_pem,
	const char *ca, struct xfed_span ca_pem)
{
	int rc = plan_file(r, certificate, certificate_pem, CERT_PLAN_PUBLIC);
	rc = rc == XFED_OK ? plan_file(r, key, key_pem, CERT_PLAN_KEY) : rc;
	return rc == XFED_OK ? plan_file(r, ca, ca_pem, CERT_PLAN_PUBLIC) : rc;
}

/* What the host is to trust is all that is in the bundle but its own certificate: the authorities of the channel, two during a change. */
static int print_parts(const struct cert_bundle *b, struct xfed_buf *certificate, struct xfed_buf *key, struct xfed_buf *trust)
{
	int rc = cert_pem_of(b->pile.crts[b->leaf], certificate);
	rc = rc == XFED_OK ? cert_pem_of_key(b->pile.keys[0], key) : rc;
	for (size_t i = 0; rc == XFED_OK && i < b->pile.crt_count; i++) {
		rc = i != b->leaf ? cert_pem_of(b->pile.crts[i], trust) : XFED_OK;
	}
	return rc;
}

static int plan_parts(struct cert_run *r, const struct cert_host *h, const struct cert_bundle *b)
{
	struct xfed_buf certificate, key, trust;
	xfed_buf_init(&certificate, CERT_PEM_BYTES);
	xfed_buf_init(&key, CERT_PEM_BYTES);
	xfed_buf_init(&trust, CERT_PEM_BYTES);
	int rc = print_parts(b, &certificate, &key, &trust);
	if (rc == XFED_OK && h->edge) {
		rc = cert_join_plan(r, h->edge->channel.certificate, xfed_buf_span(&certificate), h->edge->channel.key, xfed_buf_span(&key),
			h->edge->channel.ca, xfed_buf_span(&trust));
	} else if (rc == XFED_OK) {
		rc = cert_join_plan(r, h->gateway->channel.certificate, xfed_buf_span(&certificate), h->gateway->channel.key, xfed_buf_span(&key),
			h->gateway->channel.ca, xfed_buf_span(&trust));
	}
	xfed_buf_deinit(&certificate);
	xfed_buf_wipe(&key);
	xfed_buf_deinit(&trust);
	return rc;
}

/* ---- channel.allow ---- */

static bool is_allowed(const struct edge_config *c, const struct cert_member *gateway)
{
	for (size_t i = 0; i < c->channel.allow.count; i++) {
		for (size_t k = 0; k < gateway->name_count; k++) {
			if (strcmp(c->channel.allow.items[i], gateway->names[k]) == 0) {
				return true;
			}
		}
	}
	return false;
}

/* The names of gateways that the edge would not let link: at first in the place of what stood there, later behind it. */
static int list_allowed(const struct cert_host *h, const struct cert_bundle *b, struct xfed_buf *out, bool *is_news)
{
	bool is_first = access(h->edge->channel.certificate, F_OK) != 0;
	int rc = XFED_OK;
	*is_news = false;
	for (size_t i = 0; i < b->gateway_count; i++) {
		*is_news = *is_news || !is_allowed(h->edge, &b->gateways[i]);
	}
	for (size_t i = 0; rc == XFED_OK && !is_first && i < h->edge->channel.allow.count; i++) {
		rc = xfed_buf_printf(out, "%s%s", xfed_buf_len(out) > 0 ? "," : "", h->edge->channel.allow.items[i]);
	}
	for (size_t i = 0; rc == XFED_OK && i < b->gateway_count; i++) {
		const struct cert_member *g = &b->gateways[i];
		if (is_first || !is_allowed(h->edge, g)) {
			rc = xfed_buf_printf(out, "%s%s", xfed_buf_len(out) > 0 ? "," : "", g->names[g->name_count - 1]);
		}
	}
	return rc == XFED_OK ? xfed_buf_append(out, xfed_span_make("", 1)) : rc;
}

static int plan_allow(struct cert_run *r, const struct cert_host *h, const struct cert_bundle *b)
{
	char words[RT_CONF_EDIT_ERROR];
	struct xfed_buf was, is, list;
	bool is_news;
	xfed_buf_init(&is, RT_CONF_FILE_BYTES);
	xfed_buf_init(&list, RT_CONF_FILE_BYTES);
	int rc = cert_file_read(h->path, &was, r->error);
	rc = rc == XFED_OK ? list_allowed(h, b, &list, &is_news) : rc;
	if (rc == XFED_OK && is_news) {
		const char *names = xfed_buf_span(&list).data;
		rc = rt_conf_set(&edge_config_table, h->path, xfed_buf_span(&was), "channel.allow", names, &is, words);
		if (rc != XFED_OK) {
			snprintf(r->error, sizeof(r->error), "%.700s", words);
		}
		rc = rc == XFED_OK ? cert_plan_add(&r->plan, h->path, xfed_buf_span(&is), CERT_PLAN_TEXT, r->error) : rc;
		cert_run_add(r->done, "%s: channel.allow is now %s, the gateways of the bundle", h->path, names);
	}
	xfed_buf_deinit(&was);
	xfed_buf_deinit(&is);
	xfed_buf_deinit(&list);
	return rc;
}

/* ---- what else the bundle says ---- */

/* For cert request, which may come before the first gateway has linked. */
static int plan_domains(struct cert_run *r, const struct cert_host *h, const struct cert_bundle *b)
{
	char path[PATH_MAX + 32];
	struct xfed_buf text;
	snprintf(path, sizeof(path), "%s/" CERT_DOMAINS_FILE, h->dir);
	xfed_buf_init(&text, RT_CONF_FILE_BYTES);
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < b->domain_count; i++) {
		rc = xfed_buf_printf(&text, "%s\n", b->domains[i]);
	}
	rc = rc == XFED_OK && h->edge ? cert_plan_add(&r->plan, path, xfed_buf_span(&text), CERT_PLAN_PUBLIC, r->error) : rc;
	xfed_buf_deinit(&text);
	return rc;
}

/* By an authority that stands in it, and by nothing else: with a mixture of two bundles no link would come up. */
static enum ctl_exit check_chain(struct cert_run *r, const struct cert_bundle *b)
{
	char words[CERT_ERROR];
	struct cert_chain chain = { .count = 0 };
	struct cert_trust none;
	int rc = cert_trust_init(&none);
	rc = rc == XFED_OK ? cert_chain_find(&b->pile, b->leaf, &none, r->now_s, &chain, words) : rc;
	cert_trust_deinit(&none);
	if (rc == XFED_ERR_NOMEM) {
		return cert_run_refuse(r, rc);
	}
	if (rc != XFED_OK || chain.is_self_signed) {
		return cert_run_fail(r,
			"the bundle is damaged, or put together from several: its certificate is not signed by an authority in it%s%s",
			rc != XFED_OK ? ": " : "", rc != XFED_OK ? words : "");
	}
	return CTL_FINE;
}

static enum ctl_exit check(struct cert_run *r, const struct cert_host *h, const struct cert_bundle *b)
{
	const struct cert_member *m = &b->member;
	if (m->is_edge != (h->edge != NULL)) {
		return cert_run_fail(r, "the bundle is for %s %s, and %s is of %s", m->is_edge ? "edge" : "gateway", m->names[0], h->path,
			h->edge ? "an edge" : "a gateway");
	}
	if (m->is_edge && strcmp(m->names[0], h->base->name) != 0) {
		return cert_run_fail(r, "the bundle is for edge %s, as edges[].name of the gateway has it, and name in %s is %s: make them one",
			m->names[0], h->path, h->base->name);
	}
	int64_t ends_s = gnutls_x509_crt_get_expiration_time(b->pile.crts[b->leaf]);
	return ends_s > r->now_s ? check_chain(r, b)
				 : cert_run_fail(r, "the certificate in the bundle has expired: make a new one, cert channel-renew");
}

static enum ctl_exit join(struct cert_run *r, const struct cert_host *h, const char *path, const struct cert_bundle *b)
{
	enum ctl_exit status = check(r, h, b);
	if (status != CTL_FINE) {
		return status;
	}
	int rc = plan_parts(r, h, b);
	rc = rc == XFED_OK && h->edge ? plan_allow(r, h, b) : rc;
	rc = rc == XFED_OK ? plan_domains(r, h, b) : rc;
	status = rc == XFED_OK ? cert_run_commit(r, h) : cert_run_refuse(r, rc);
	if (status == CTL_FINE) {
		cert_run_add(r->next, "%s has a private key that is in its place now: rm %s", path, path);
		return cert_run_tell(r);
	}
	return status;
}

/* Of several services here, the one the bundle is for. */
static const struct cert_host *host_for(const struct cert_run *r, const struct cert_bundle *b)
{
	for (size_t i = 0; i < r->hosts.count; i++) {
		const struct cert_host *h = &r->hosts.items[i];
		if (b->member.is_edge == (h->edge != NULL) && strcmp(h->base->name, b->member.names[0]) == 0) {
			return h;
		}
	}
	for (size_t i = 0; i < r->hosts.count; i++) {
		if (b->member.is_edge == (r->hosts.items[i].edge != NULL)) {
			return &r->hosts.items[i];
		}
	}
	return &r->hosts.items[0];
}

static enum ctl_exit join_with(struct cert_run *r, const char *path)
{
	struct cert_bundle b = { .leaf = 0 };
	struct xfed_buf text;
	char words[CERT_ERROR];
	enum ctl_exit status;
	int rc = cert_file_read(path, &text, r->error);
	if (rc != XFED_OK) {
		status = cert_run_refuse(r, rc);
	} else if ((rc = cert_bundle_parse(xfed_buf_span(&text), &b, words)) != XFED_OK) {
		snprintf(r->error, sizeof(r->error), "%.200s %.700s", path, words);
		status = cert_run_refuse(r, rc);
	} else {
		const struct cert_host *h = host_for(r, &b);
		r->plan.uid = h->uid;
		r->plan.gid = h->gid;
		status = join(r, h, path, &b);
	}
	cert_bundle_close(&b);
	xfed_buf_wipe(&text);
	return status;
}

/* Whatever else is wrong with it is told by the command itself. */
static bool has_gateway(const json_t *args, const struct ctl_options *options)
{
	struct cert_hosts hosts;
	char error[CERT_ERROR];
	int rc = cert_hosts_open(&hosts, CERT_OF_GATEWAYS, ctl_str(args, "config")[0] ? ctl_str(args, "config") : NULL, options->name, error);
	cert_hosts_close(&hosts);
	return rc != XFED_ERR_NOT_FOUND;
}

enum ctl_exit ctl_do_cert_channel_join(const json_t *args, const struct ctl_options *options)
{
	struct cert_run r;
	const char *word = ctl_str(args, "bundle");
	size_t len = strlen(word);
	bool is_name = access(word, F_OK) != 0 && !strchr(word, '/') && !(len > 7 && strcmp(word + len - 7, ".bundle") == 0);
	if (is_name && !has_gateway(args, options)) {
		char text[CERT_ERROR];
		snprintf(text, sizeof(text),
			"there is no file %.200s here (a bundle is called NAME.bundle), and no gateway that could make the bundle of one of that "
			"name",
			word);
		return ctl_refuse(options, text);
	}
	if (is_name) {
		return cert_channel_one_more(word, args, options);
	}
	enum ctl_exit status = cert_run_open(&r, CERT_OF_ANY, args, options);
	status = status == CTL_FINE ? join_with(&r, word) : status;
	cert_run_close(&r);
	return status;
}
