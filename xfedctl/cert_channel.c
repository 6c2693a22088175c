/* cert channel-init, channel-join and channel-renew, but for a host that joins (cert_join.c). */
#include "cert_channel.h"

#include <stdio.h>
#include <unistd.h>

/* ---- who is there ---- */

static void add_name(struct cert_member *m, const char *name)
{
	bool is_new = name && name[0] && m->name_count < CERT_BUNDLE_NAMES && strlen(name) < sizeof(m->names[0]);
	for (size_t i = 0; is_new && i < m->name_count; i++) {
		is_new = strcmp(m->names[i], name) != 0;
	}
	if (is_new) {
		snprintf(m->names[m->name_count++], sizeof(m->names[0]), "%s", name);
	}
}

/* Its instance's name, and the host's: so that channel.allow may have either. */
static struct cert_member this_gateway(const struct config *c)
{
	struct cert_member m = { .is_edge = false };
	add_name(&m, c->base.name);
	add_name(&m, cert_is_address(c->sip.advertise) ? NULL : c->sip.advertise);
	return m;
}

static struct cert_member edge_of(const struct config_edge *e)
{
	struct cert_member m = { .is_edge = true };
	add_name(&m, e->name);
	add_name(&m, e->tls_name);
	return m;
}

/* This gateway and the edges are as gateway.yaml has them now, so that one that is new there needs no other list. */
static int take_members(struct cert_ca *ca, const struct config *c)
{
	struct cert_member self = this_gateway(c);
	int rc = XFED_OK;
	if (ca->member_count == 0) {
		rc = cert_ca_add_member(ca, &self);
	} else {
		ca->members[0] = self;
	}
	for (size_t i = 0; rc == XFED_OK && i < c->edges.count; i++) {
		struct cert_member m = edge_of(&c->edges.items[i]);
		struct cert_member *known = (struct cert_member *)cert_ca_member(ca, m.names[0]);
		if (known && known != &ca->members[0]) {
			*known = m; /* its host may have another name now; or it was thought to be a gateway, and edges[] says what it is */
		} else if (!known) {
			rc = cert_ca_add_member(ca, &m);
		}
	}
	return rc;
}

/* ---- what they get ---- */

/* This gateway's own files, where its channel keys point. `by` NULL: it keeps its certificate. */
static int plan_own(struct cert_run *r, const struct cert_ca *ca, const struct cert_authority *by)
{
	const struct config *c = r->hosts.items[0].gateway;
	struct xfed_buf certificate, key, trust;
	xfed_buf_init(&certificate, CERT_PEM_BYTES);
	xfed_buf_init(&key, CERT_PEM_BYTES);
	xfed_buf_init(&trust, CERT_PEM_BYTES);
	int rc = cert_ca_trust(ca, &trust);
	rc = rc == XFED_OK && by ? cert_ca_issue(by, &ca->members[0], r->now_s, &certificate, &key) : rc;
	rc = rc == XFED_OK ? cert_join_plan(r, c->channel.certificate, by ? xfed_buf_span(&certificate) : XFED_SPAN(""), c->channel.key,
				     by ? xfed_buf_span(&key) : XFED_SPAN(""), c->channel.ca, xfed_buf_span(&trust))
			   : rc;
	xfed_buf_deinit(&certificate);
	xfed_buf_wipe(&key);
	xfed_buf_deinit(&trust);
	return rc;
}

static void bundle_path(const struct cert_run *r, const struct cert_member *m, char out[PATH_MAX])
{
	const char *dir = cert_run_arg(r, "output");
	snprintf(out, PATH_MAX, "%.3000s%s%.255s.bundle", dir ? dir : "", dir ? "/" : "", m->names[0]);
}

static int plan_bundle(struct cert_run *r, const struct cert_ca *ca, const struct cert_authority *by, const struct cert_member *m)
{
	char path[PATH_MAX];
	struct xfed_buf text;
	json_t *domains = cert_host_domains(&r->hosts.items[0]);
	xfed_buf_init(&text, CERT_FILE_BYTES);
	bundle_path(r, m, path);
	int rc = cert_ca_bundle(ca, by, m, domains, r->now_s, &text);
	rc = rc == XFED_OK ? cert_plan_add_marked(&r->plan, path, xfed_buf_span(&text), CERT_BUNDLE_MARK, r->error) : rc;
	json_decref(domains);
	xfed_buf_wipe(&text);
	if (rc == XFED_OK) {
		cert_run_add(r->done, "%s: the bundle of %s %s, with its key", path, m->is_edge ? "edge" : "gateway", m->names[0]);
		cert_run_add(r->next, "copy %s to the host %s, delete it here, and run there: xfedctl cert channel-join %s.bundle", path,
			m->names[m->name_count - 1], m->names[0]);
	}
	return rc;
}

/* Of every member but this gateway. */
static int plan_bundles(struct cert_run *r, const struct cert_ca *ca, const struct cert_authority *of_edges, const struct cert_authority *of_gateways)
{
	int rc = XFED_OK;
	/* Gateways first: during a change they have to trust what edges are going to show. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 1; rc == XFED_OK && i < ca->member_count; i++) {
			bool is_edge = ca->members[i].is_edge;
			rc = is_edge == (pass == 1) ? plan_bundle(r, ca, is_edge ? of_edges : of_gateways, &ca->members[i]) : XFED_OK;
		}
	}
	return rc;
}

static enum ctl_exit finish(struct cert_run *r, int rc)
{
	enum ctl_exit status = rc == XFED_OK ? cert_run_commit(r, &r->hosts.items[0]) : cert_run_refuse(r, rc);
	return status == CTL_FINE ? cert_run_tell(r) : status;
}

/* One command on the gateway that has the authority; `name`: of the host that it is about, or NULL. */
static enum ctl_exit of_authority(enum ctl_exit (*command)(struct cert_run *r, struct cert_ca *ca, const char *name), const char *name,
	const json_t *args, const struct ctl_options *options)
{
	struct cert_run r;
	struct cert_ca ca = { .member_count = 0 };
	enum ctl_exit status = cert_run_open(&r, CERT_OF_GATEWAYS, args, options);
	status = status == CTL_FINE ? cert_run_choose(&r) : status;
	status = status == CTL_FINE ? command(&r, &ca, name) : status;
	cert_ca_close(&ca);
	cert_run_close(&r);
	return status;
}

/* ---- channel-init ---- */

static enum ctl_exit init(struct cert_run *r, struct cert_ca *ca, const char *name)
{
	const struct config *c = r->hosts.items[0].gateway;
	int rc = cert_ca_open(ca, &r->hosts.items[0], r->error);
	if (rc == XFED_OK) {
		return cert_run_fail(r,
			"%s is the channel's authority already: cert channel-join NAME makes the bundle of one more host, cert channel-renew new "
			"certificates for all",
			ca->dir);
	}
	if (rc != XFED_ERR_NOT_FOUND) {
		return cert_run_refuse(r, rc);
	}
	const char *there = access(c->channel.certificate, F_OK) == 0 ? c->channel.certificate
			    : access(c->channel.ca, F_OK) == 0	      ? c->channel.ca
								      : NULL;
	if (there && !json_object_get(r->args, "replace")) {
		return cert_run_fail(r,
			"%s is there already, of another authority, which makes new certificates where it is (cert channel-renew there, if it is one "
			"of "
			"ours): --replace puts that of a new authority in its place, and the links are down until each edge has joined anew",
			there);
	}
	rc = cert_authority_new(&ca->now, r->now_s);
	rc = rc == XFED_OK ? take_members(ca, c) : rc;
	rc = rc == XFED_OK ? cert_ca_save(ca, &r->plan, r->error) : rc;
	cert_run_add(r->done, "%s: the channel's own authority. Its key is root's, and leaves this host in your backup alone", ca->dir);
	rc = rc == XFED_OK ? plan_own(r, ca, &ca->now) : rc;
	rc = rc == XFED_OK ? plan_bundles(r, ca, &ca->now, &ca->now) : rc;
	return finish(r, rc);
}

enum ctl_exit ctl_do_cert_channel_init(const json_t *args, const struct ctl_options *options)
{
	return of_authority(init, NULL, args, options);
}

/* ---- channel-join NAME: one more bundle ---- */

static bool is_host(const char *name)
{
	struct xfed_arena a;
	struct xfed_span host;
	const char *accepted;
	xfed_arena_init(&a, 4096);
	bool is_one = strlen(name) <= 253 && rt_conf_convert_host(&a, xfed_span_str(name), &host, &accepted) == XFED_OK;
	xfed_arena_deinit(&a);
	return is_one;
}

static enum ctl_exit one_more(struct cert_run *r, struct cert_ca *ca, const char *name)
{
	const struct config *c = r->hosts.items[0].gateway;
	int rc = cert_ca_open(ca, &r->hosts.items[0], r->error);
	rc = rc == XFED_OK ? take_members(ca, c) : rc;
	const struct cert_member *m = rc == XFED_OK ? cert_ca_member(ca, name) : NULL;
	if (rc == XFED_OK && m == &ca->members[0]) {
		return cert_run_fail(r, "%s is this gateway, which has its certificate: cert channel-renew makes it a new one", name);
	}
	bool is_gateway = json_object_get(r->args, "gateway") != NULL;
	if (rc == XFED_OK && is_gateway && m && m->is_edge) {
		return cert_run_fail(r, "%s is one of edges[] in %s, and no gateway", name, r->hosts.items[0].path);
	}
	if (rc == XFED_OK && !is_gateway && !m) {
		return cert_run_fail(r, "%s is none of edges[] in %s: add the edge there first; or, if it is a further gateway: --gateway", name,
			r->hosts.items[0].path);
	}
	if (rc == XFED_OK && !m && !is_host(name)) {
		return cert_run_fail(r, "what --gateway names has to be the name of a host, as in its certificate");
	}
	if (rc == XFED_OK && !m) {
		struct cert_member gateway = { .is_edge = false };
		add_name(&gateway, name);
		rc = cert_ca_add_member(ca, &gateway);
		m = rc == XFED_OK ? &ca->members[ca->member_count - 1] : NULL;
		cert_run_add(r->notes, "%s is a further gateway: each edge needs it in channel.allow", name);
	}
	rc = rc == XFED_OK ? cert_ca_save(ca, &r->plan, r->error) : rc;
	/* During a change edges get what the next one signs, as everybody trusts both. */
	rc = rc == XFED_OK ? plan_bundle(r, ca, ca->next.key && m->is_edge ? &ca->next : &ca->now, m) : rc;
	if (rc != XFED_OK) {
		return cert_run_refuse(r, rc);
	}
	rc = cert_plan_commit(&r->plan, r->error);
	return rc == XFED_OK ? cert_run_tell(r) : cert_run_refuse(r, rc);
}

enum ctl_exit cert_channel_one_more(const char *name, const json_t *args, const struct ctl_options *options)
{
	return of_authority(one_more, name, args, options);
}

/* ---- channel-renew ---- */

/* The same authority signs new ones for all. */
static int renew(struct cert_run *r, struct cert_ca *ca)
{
	int rc = plan_own(r, ca, &ca->now);
	rc = rc == XFED_OK ? plan_bundles(r, ca, &ca->now, &ca->now) : rc;
	cert_run_add(r->notes, "until an edge has joined with its new bundle its old certificate is as good as before");
	return rc;
}

/* The first half of a change: everybody trusts both, edges show what the new one signs. */
static int begin_change(struct cert_run *r, struct cert_ca *ca)
{
	int rc = cert_authority_new(&ca->next, r->now_s);
	rc = rc == XFED_OK ? plan_own(r, ca, NULL) : rc;
	rc = rc == XFED_OK ? plan_bundles(r, ca, &ca->next, &ca->now) : rc;
	cert_run_add(r->done, "a new authority beside the old one: from now on this gateway trusts both");
	cert_run_add(r->next, "when every edge has joined: xfedctl cert channel-renew, which ends the change");
	return rc;
}

/* The second: this gateway shows and trusts the new one alone. */
static int end_change(struct cert_run *r, struct cert_ca *ca)
{
	const struct config *c = r->hosts.items[0].gateway;
	for (size_t i = 0; i < c->edges.count; i++) {
		int rc = cert_probe_edge(c, &c->edges.items[i], ca->next.crt, r->error);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	cert_authority_deinit(&ca->now);
	ca->now = ca->next;
	ca->next = (struct cert_authority){ NULL, NULL };
	int rc = plan_own(r, ca, &ca->now);
	rc = rc == XFED_OK ? plan_bundles(r, ca, &ca->now, &ca->now) : rc;
	cert_run_add(r->done, "the change is over: this gateway shows and trusts the new authority alone");
	cert_run_add(r->notes, "the edges trust the old one too, until they have joined with these last bundles");
	return rc;
}

static enum ctl_exit change(struct cert_run *r, struct cert_ca *ca, const char *name)
{
	bool is_new_ca = json_object_get(r->args, "new-ca") != NULL;
	int rc = cert_ca_open(ca, &r->hosts.items[0], r->error);
	rc = rc == XFED_OK ? take_members(ca, r->hosts.items[0].gateway) : rc;
	if (rc != XFED_OK) {
		return cert_run_refuse(r, rc);
	}
	if (ca->next.key && is_new_ca) {
		return cert_run_fail(
			r, "a change is under way already: join every edge with its bundle, then cert channel-renew without --new-ca ends it");
	}
	rc = ca->next.key ? end_change(r, ca) : is_new_ca ? begin_change(r, ca) : renew(r, ca);
	rc = rc == XFED_OK ? cert_ca_save(ca, &r->plan, r->error) : rc;
	return finish(r, rc);
}

enum ctl_exit ctl_do_cert_channel_renew(const json_t *args, const struct ctl_options *options)
{
	return of_authority(change, NULL, args, options);
}
