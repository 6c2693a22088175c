#include "cert_pair.h"

#include <libgen.h>
#include <stdio.h>
#include <time.h>

const char *cert_role_word(enum cert_role role)
{
	static const char *const words[] = {
		[CERT_ROLE_EDGE] = "edge", [CERT_ROLE_SIP] = "sip", [CERT_ROLE_PANEL] = "panel", [CERT_ROLE_CHANNEL] = "channel"
	};
	return words[role];
}

int cert_role_of(struct cert_run *r, enum cert_role *out)
{
	const char *word = cert_run_arg(r, "for");
	*out = r->hosts.items[0].edge ? CERT_ROLE_EDGE : CERT_ROLE_SIP;
	for (int i = CERT_ROLE_EDGE; word && i <= CERT_ROLE_PANEL; i++) {
		*out = strcmp(word, cert_role_word((enum cert_role)i)) == 0 ? (enum cert_role)i : *out;
	}
	for (size_t i = 1; !word && i < r->hosts.count; i++) {
		if ((r->hosts.items[i].edge != NULL) != (r->hosts.items[0].edge != NULL)) {
			snprintf(r->error, sizeof(r->error), "an edge and a gateway are configured here: --for edge, --for sip or --for panel");
			return XFED_ERR_INVALID;
		}
	}
	return XFED_OK;
}

const char *cert_pair_pending(const struct cert_pair *p, char out[PATH_MAX + 8])
{
	snprintf(out, PATH_MAX + 8, "%s" CERT_PENDING, p->key);
	return out;
}

const char *cert_until(int64_t not_after_s, int64_t now_s, char out[64])
{
	char day[16] = "";
	time_t t = (time_t)not_after_s;
	struct tm tm;
	if (gmtime_r(&t, &tm)) {
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	}
	long long days = (long long)(not_after_s - now_s) / 86400;
	if (not_after_s < now_s) {
		snprintf(out, 64, "%s, EXPIRED", day);
	} else {
		snprintf(out, 64, "%s (%lld day%s)", day, days, days == 1 ? "" : "s");
	}
	return out;
}

int cert_pair_load(const char *path, struct xfed_cert **out, char error[CERT_ERROR])
{
	struct cert_pile p = { .crt_count = 0 };
	struct xfed_buf text;
	char words[CERT_ERROR];
	*out = NULL;
	int rc = cert_file_read(path, &text, error);
	if (rc == XFED_OK) {
		rc = cert_pile_add(&p, xfed_buf_span(&text), NULL, words);
		rc = rc == XFED_OK && p.crt_count == 0 ? XFED_ERR_INVALID : rc;
		rc = rc == XFED_OK ? cert_facts_of(p.crts[0], out) : rc;
		if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
			snprintf(error, CERT_ERROR, "%.300s: the certificate in it cannot be read", path);
			rc = XFED_ERR_INVALID;
		}
	}
	cert_pile_deinit(&p);
	xfed_buf_wipe(&text);
	return rc;
}

/* ---- which one ---- */

/* example.com.pem is called after example.com. */
static bool is_called(const char *path, const char *name)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	const char *base = basename(copy);
	size_t len = strlen(name);
	return strncmp(base, name, len) == 0 && base[len] == '.' && !strchr(base + len + 1, '.');
}

static bool has_name(const char *path, const char *name)
{
	struct xfed_cert *cert;
	char error[CERT_ERROR];
	bool is_one = cert_pair_load(path, &cert, error) == XFED_OK &&
		      (xfed_cert_proves_xmpp(cert, xfed_span_str(name)) || xfed_cert_names_host(cert, xfed_span_str(name)));
	xfed_cert_free(cert);
	return is_one;
}

typedef bool judge_fn(const char *path, const char *name);

/* The only one of that role for which `judge` says yes with one of the names; NULL: none, or several. `judge` NULL: the only one at all. */
static struct cert_place only(const struct cert_run *r, enum cert_role role, judge_fn *judge, const char *const *names, size_t count)
{
	struct cert_place found = { NULL, NULL };
	size_t how_many = 0;
	for (size_t i = 0; i < r->hosts.count; i++) {
		const struct cert_host *h = &r->hosts.items[i];
		for (size_t k = 0; k < h->pair_count; k++) {
			bool is_it = h->pairs[k].role == role && !judge;
			for (size_t n = 0; n < count && judge && h->pairs[k].role == role && !is_it; n++) {
				is_it = judge(h->pairs[k].certificate, names[n]);
			}
			if (is_it) {
				found = (struct cert_place){ h, &h->pairs[k] };
				how_many++;
			}
		}
	}
	return how_many == 1 ? found : (struct cert_place){ NULL, NULL };
}

static bool is_file(const char *path, const char *name)
{
	return strcmp(path, name) == 0;
}

/* Nothing in the configuration names it: beside the other certificates. */
static int of_panel(struct cert_run *r, struct cert_place *out)
{
	struct cert_host *h = &r->hosts.items[0];
	struct xfed_arena *a = &h->base->doc.arena;
	struct cert_pair *p = xfed_arena_alloc(a, sizeof(*p));
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	*p = (struct cert_pair){ .role = CERT_ROLE_PANEL,
		.where = "panel",
		.certificate = xfed_arena_printf(a, "%s/tls/panel.pem", h->dir).data,
		.key = xfed_arena_printf(a, "%s/tls/panel.key", h->dir).data };
	*out = (struct cert_place){ h, p };
	return p->certificate && p->key ? XFED_OK : XFED_ERR_NOMEM;
}

static int tell_choice(struct cert_run *r, enum cert_role role)
{
	size_t len = (size_t)snprintf(r->error, sizeof(r->error), "which of them is meant? certificate=FILE is one of");
	const size_t before = len;
	for (size_t i = 0; i < r->hosts.count; i++) {
		const struct cert_host *h = &r->hosts.items[i];
		for (size_t k = 0; k < h->pair_count && len < sizeof(r->error) - 400; k++) {
			if (h->pairs[k].role == role) {
				len += (size_t)snprintf(r->error + len, sizeof(r->error) - len, " %.300s", h->pairs[k].certificate);
			}
		}
	}
	if (len == before) {
		snprintf(r->error, sizeof(r->error), "no configuration here has a certificate for %s: name certificate and key there first",
			cert_role_word(role));
	}
	return XFED_ERR_INVALID;
}

int cert_pair_choose(struct cert_run *r, enum cert_role role, const char *const *names, size_t count, struct cert_place *out)
{
	const char *file = cert_run_arg(r, "certificate");
	if (role == CERT_ROLE_PANEL) {
		return of_panel(r, out);
	}
	if (file) {
		*out = only(r, role, is_file, &file, 1);
	} else {
		*out = only(r, role, NULL, NULL, 0);
		*out = out->pair ? *out : only(r, role, is_called, names, count);
		*out = out->pair ? *out : only(r, role, has_name, names, count);
	}
	return out->pair ? XFED_OK : tell_choice(r, role);
}

bool cert_pair_lacks_name(const struct cert_pair *p, const struct xfed_cert *cert)
{
	struct xfed_span name = xfed_span_str(p->name);
	return p->name && !cert_is_address(p->name) && !xfed_cert_names_host(cert, name) && !xfed_cert_proves_sip(cert, name);
}
