/* cert request: a key, and what an authority makes a certificate of. */
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>
#include <unistr.h>

#include "cert_pair.h"
#include "xfed/jid.h"

#define NAME_CHARACTERS	 64 /* of organisation and unit (RFC 5280 appendix A) */
#define PLACE_CHARACTERS 128

/* ---- names ---- */

static int add_name(struct cert_run *r, struct cert_names *n, const char *word)
{
	struct xfed_arena *a = &r->hosts.items[0].base->doc.arena;
	struct xfed_span domain, ascii;
	const char *accepted = "a domain such as example.com";
	int rc = n->count < CERT_NAMES_MAX ? rt_conf_convert_domain(a, xfed_span_str(word), &domain, &accepted) : XFED_ERR_INVALID;
	rc = rc == XFED_OK ? rt_conf_convert_host(a, domain, &ascii, &accepted) : rc;
	if (rc == XFED_ERR_INVALID) {
		snprintf(
			r->error, sizeof(r->error), "found \"%.200s\", accepted: %.300s", word, n->count < CERT_NAMES_MAX ? accepted : "fewer names");
	}
	for (size_t i = 0; rc == XFED_OK && i < n->count; i++) {
		if (strcmp(n->ascii[i], ascii.data) == 0) {
			return XFED_OK;
		}
	}
	if (rc == XFED_OK) {
		n->domains[n->count] = domain.data;
		n->ascii[n->count++] = ascii.data;
	}
	return rc;
}

static int add_list(struct cert_run *r, struct cert_names *n, const json_t *list)
{
	size_t i;
	json_t *word;
	int rc = XFED_OK;
	json_array_foreach(list, i, word) {
		rc = rc == XFED_OK ? add_name(r, n, json_string_value(word)) : rc;
	}
	return rc;
}

static int add_domains(struct cert_run *r, struct cert_names *n)
{
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < r->hosts.count; i++) {
		json_t *list = cert_host_domains(&r->hosts.items[i]);
		rc = add_list(r, n, list);
		json_decref(list);
	}
	if (rc == XFED_OK && n->count == 0) {
		snprintf(r->error, sizeof(r->error),
			"which domains? No gateway has linked with this edge, and no bundle has told them: xfedctl cert request DOMAIN...");
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

static int add_this_host(struct cert_run *r, struct cert_names *n)
{
	char name[256] = "";
	const struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	if (gethostname(name, sizeof(name) - 1) == 0 && getaddrinfo(name, NULL, &hints, &list) == 0 && list && list->ai_canonname) {
		snprintf(name, sizeof(name), "%s", list->ai_canonname);
	}
	if (list) {
		freeaddrinfo(list);
	}
	return add_name(r, n, name);
}

/* What its SIP servers call the gateway; where it is only the neighbour of Edges, what these do. NULL: an edge. */
static const char *sip_name(const struct config *g)
{
	bool is_neighbour = g && !g->sip.certificate && g->sip.federation.certificate;
	return is_neighbour ? g->sip.federation.advertise : g ? g->sip.advertise : NULL;
}

/* Those that were given; else what the certificate has to carry. */
static int find_names(struct cert_run *r, enum cert_role role, struct cert_names *n)
{
	const json_t *given = json_object_get(r->args, "domains");
	if (json_array_size(given) > 0) {
		return add_list(r, n, given);
	}
	struct cert_place place;
	switch (role) {
	case CERT_ROLE_EDGE:
		return add_domains(r, n);
	case CERT_ROLE_PANEL:
		return add_this_host(r, n);
	default: {
		/* Where both have certificates, the file says for which this one is. */
		const char *file = cert_run_arg(r, "certificate");
		int rc = file ? cert_pair_choose(r, role, NULL, 0, &place) : XFED_OK;
		const char *name = rc == XFED_OK && file ? place.pair->name : sip_name(r->hosts.items[0].gateway);
		return rc != XFED_OK ? rc : name ? add_name(r, n, name) : add_this_host(r, n);
	}
	}
}

/* ---- the subject ---- */

static int take_word(struct cert_run *r, const char *key, size_t least, size_t most, const char **out)
{
	const char *word = cert_run_arg(r, key);
	size_t len = word ? strlen(word) : 0, characters = word ? u8_mbsnlen((const uint8_t *)word, len) : 0;
	bool is_fine = !word || (u8_check((const uint8_t *)word, len) == NULL && characters >= least && characters <= most);
	for (size_t i = 0; i < len; i++) {
		is_fine = is_fine && (unsigned char)word[i] >= 0x20 && word[i] != 0x7f;
	}
	*out = word;
	if (!is_fine && least == most) {
		snprintf(r->error, sizeof(r->error), "%s: accepted: two letters such as DE", key);
	} else if (!is_fine) {
		snprintf(r->error, sizeof(r->error), "%s: accepted: %zu to %zu characters in one line", key, least, most);
	}
	return is_fine ? XFED_OK : XFED_ERR_INVALID;
}

static int find_subject(struct cert_run *r, struct cert_subject *s)
{
	int rc = take_word(r, "organisation", 1, NAME_CHARACTERS, &s->organisation);
	rc = rc == XFED_OK ? take_word(r, "unit", 1, NAME_CHARACTERS, &s->unit) : rc;
	rc = rc == XFED_OK ? take_word(r, "place", 1, PLACE_CHARACTERS, &s->place) : rc;
	return rc == XFED_OK ? take_word(r, "country", 2, 2, &s->country) : rc;
}

/* ---- the key ---- */

static int load_key(const char *path, gnutls_x509_privkey_t *out, char error[CERT_ERROR])
{
	struct cert_pile p = { .crt_count = 0 };
	struct xfed_buf text;
	char words[CERT_ERROR];
	int rc = cert_file_read(path, &text, error);
	if (rc == XFED_OK) {
		rc = cert_pile_add(&p, xfed_buf_span(&text), NULL, words);
		if (rc != XFED_ERR_NOMEM && (rc != XFED_OK || p.key_count != 1)) {
			snprintf(error, CERT_ERROR, "%.300s: there is no key in it that can be used", path);
			rc = XFED_ERR_INVALID;
		}
	}
	if (rc == XFED_OK) {
		*out = p.keys[0];
		p.key_count = 0;
	}
	cert_pile_deinit(&p);
	xfed_buf_wipe(&text);
	return rc;
}

static int new_key(struct cert_run *r, const char *path, enum cert_key_kind kind, gnutls_x509_privkey_t *out)
{
	struct xfed_buf text;
	xfed_buf_init(&text, CERT_PEM_BYTES);
	int rc = cert_make_key(kind, out);
	rc = rc == XFED_OK ? cert_pem_of_key(*out, &text) : rc;
	rc = rc == XFED_OK ? cert_plan_add(&r->plan, path, xfed_buf_span(&text), CERT_PLAN_KEY, r->error) : rc;
	xfed_buf_wipe(&text);
	if (rc == XFED_OK) {
		cert_run_add(
			r->done, "%s: the new key, readable for the service alone; the one in use stays until the certificate is imported", path);
	}
	return rc;
}

/* A request may be on its way to the authority: its key is not thrown away. */
static int find_key(struct cert_run *r, const struct cert_pair *p, gnutls_x509_privkey_t *out)
{
	const char *word = cert_run_arg(r, "key");
	char path[PATH_MAX + 8];
	cert_pair_pending(p, path);
	if (word && strcmp(word, "same") == 0) {
		return load_key(p->key, out, r->error);
	}
	if (access(path, F_OK) == 0 && !json_object_get(r->args, "replace")) {
		int rc = load_key(path, out, r->error);
		cert_run_add(
			r->notes, "%s waits for its certificate since the last request, and is asked for again; --replace makes a new key", path);
		return rc;
	}
	return new_key(r, path, (enum cert_key_kind)(word ? rt_arg_word_number(RT_ARG_KEY_KIND, word) : 0), out);
}

/* ---- the request ---- */

static void tell_consequences(struct cert_run *r, const struct cert_names *n)
{
	if (n->srvname) {
		cert_run_add(r->notes,
			"SRVName limits the certificate to XMPP where it is understood. Public authorities leave it out: with them it gains nothing");
	}
	if (n->xmppaddr) {
		cert_run_add(
			r->notes, "XmppAddr is of an older standard: some servers in use drop a stream over it, and public authorities leave it out");
	}
	if (n->sip_name) {
		cert_run_add(r->notes, "where a certificate has a sip: name, SIP servers that follow RFC 5922 look at these alone; public "
				       "authorities leave them out");
	}
}

static void csr_path(const struct cert_pair *p, char out[PATH_MAX + 8])
{
	snprintf(out, PATH_MAX + 8, "%s", p->certificate);
	size_t len = strlen(out);
	if (len > 4 && strcmp(out + len - 4, ".pem") == 0) {
		out[len - 4] = '\0';
	}
	strcat(out, ".csr");
}

static int plan(struct cert_run *r, const struct cert_pair *p, const struct cert_names *n, const struct cert_subject *s)
{
	char csr[PATH_MAX + 8], copy[PATH_MAX + 8];
	gnutls_x509_privkey_t key = NULL;
	struct xfed_buf text;
	csr_path(p, csr);
	snprintf(copy, sizeof(copy), "%s", p->key);
	xfed_buf_init(&text, CERT_PEM_BYTES);
	int rc = cert_plan_dir(&r->plan, dirname(copy), 0755, r->error);
	rc = rc == XFED_OK ? find_key(r, p, &key) : rc;
	rc = rc == XFED_OK ? cert_make_request(key, n, s, &text) : rc;
	rc = rc == XFED_OK ? cert_plan_add(&r->plan, csr, xfed_buf_span(&text), CERT_PLAN_PUBLIC, r->error) : rc;
	if (key) {
		gnutls_x509_privkey_deinit(key);
	}
	xfed_buf_deinit(&text);
	if (rc == XFED_OK) {
		cert_run_add(r->done, "%s: the request, for %s%s", csr, n->domains[0], n->count > 1 ? " and others:" : "");
		for (size_t i = 1; i < n->count; i++) {
			cert_run_add(r->done, "  %s", n->domains[i]);
		}
		cert_run_add(r->next, "send %s to the certificate authority, and then: xfedctl cert import FILE... with what comes back", csr);
	}
	return rc;
}

static enum ctl_exit request(struct cert_run *r)
{
	struct cert_names n = { .count = 0,
		.srvname = json_object_get(r->args, "srvname"),
		.sip_name = json_object_get(r->args, "sip-name"),
		.xmppaddr = json_object_get(r->args, "xmppaddr") };
	struct cert_subject s;
	struct cert_place place;
	enum cert_role role;
	int rc = cert_role_of(r, &role);
	rc = rc == XFED_OK ? find_subject(r, &s) : rc;
	rc = rc == XFED_OK ? find_names(r, role, &n) : rc;
	rc = rc == XFED_OK ? cert_pair_choose(r, role, n.ascii, n.count, &place) : rc;
	if (rc == XFED_OK) {
		r->plan.uid = place.host->uid;
		r->plan.gid = place.host->gid;
		tell_consequences(r, &n);
		rc = plan(r, place.pair, &n, &s);
	}
	rc = rc == XFED_OK ? cert_plan_commit(&r->plan, r->error) : rc;
	return rc == XFED_OK ? cert_run_tell(r) : cert_run_refuse(r, rc);
}

/* The services whose certificate it can be. */
static enum cert_wanted wanted(const json_t *args)
{
	const char *word = ctl_str(args, "for");
	return strcmp(word, "edge") == 0 ? CERT_OF_EDGES : word[0] ? CERT_OF_GATEWAYS : CERT_OF_ANY;
}

enum ctl_exit ctl_do_cert_request(const json_t *args, const struct ctl_options *options)
{
	struct cert_run r;
	enum ctl_exit status = cert_run_open(&r, wanted(args), args, options);
	status = status == CTL_FINE ? request(&r) : status;
	cert_run_close(&r);
	return status;
}
