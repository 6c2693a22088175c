/* One request and its answer, on the server's thread. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>

#include "panel/assets.h"
#include "panel/page_own.h"
#include "panel/web_impl.h"
#include "xfed/mem.h"

#define HTML	  "text/html; charset=utf-8"
#define FORM_TYPE "application/x-www-form-urlencoded"

static struct xfed_span header(const struct exchange *x, const char *name)
{
	return xfed_span_str(MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name));
}

static const char *cookie_name(const struct web *w)
{
	return w->has_tls ? "__Host-xfed" : "xfed";
}

/* ---- client certificates ---- */

static bool common_name(const gnutls_datum_t *der, char out[PANEL_USER_NAME])
{
	gnutls_x509_crt_t crt;
	size_t len = PANEL_USER_NAME;
	if (gnutls_x509_crt_init(&crt) != 0) {
		return false;
	}
	bool is_fine = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == 0 &&
		       gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out, &len) == 0 && strlen(out) == len &&
		       panel_user_name_is_fine(xfed_span_make(out, len));
	gnutls_x509_crt_deinit(crt);
	if (!is_fine) {
		out[0] = '\0';
	}
	return is_fine;
}

/* The library only asks for one: whether it counts is judged here, once a connection. */
static void judge_certificate(const struct web *w, struct connection *c, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = w->has_client_ca ? MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;
	gnutls_session_t session = info ? info->tls_session : NULL;
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned count = 0, status = 0;
	if (c->is_judged || !session) {
		return;
	}
	c->is_judged = true;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0) {
		return;
	}
	bool is_fine = gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && status == 0 && common_name(&chain[0], c->certificate);
	c->is_foreign = !is_fine;
}

/* ---- answers ---- */

static void add_headers(struct MHD_Response *r)
{
	static const char *const headers[][2] = {
		{ "Content-Security-Policy",
			"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
			"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "same-origin" }, /* with "no-referrer" browsers say "Origin: null" of our own forms */
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Permissions-Policy", "camera=(), geolocation=(), microphone=()" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(headers); i++) {
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	}
}

static enum MHD_Result send_response(struct exchange *x, unsigned status, struct MHD_Response *r)
{
	if (!r) {
		return MHD_NO;
	}
	add_headers(r);
	web_deadline(x->connection, x->web, XFED_PANEL_RESPONSE_MS);
	x->state = EXCHANGE_DONE;
	enum MHD_Result rc = MHD_queue_response(x->mhd, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result send_asset(struct exchange *x, const struct panel_asset *a)
{
	bool is_known = xfed_span_is(header(x, MHD_HTTP_HEADER_IF_NONE_MATCH), a->path);
	struct MHD_Response *r = MHD_create_response_from_buffer(is_known ? 0 : a->data.len, (void *)(uintptr_t)a->data.data, MHD_RESPMEM_PERSISTENT);
	if (r) {
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
		MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "public, max-age=31536000, immutable");
		MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, a->path);
	}
	return send_response(x, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
}

static void add_cookie(const struct exchange *x, const struct panel_call *c, struct MHD_Response *r)
{
	char text[256];
	if (c && (c->cookie[0] || c->ends_cookie)) {
		snprintf(text, sizeof(text), "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", cookie_name(x->web), c->cookie,
			x->web->has_tls ? "; Secure" : "", c->cookie[0] ? "" : "; Max-Age=0");
		MHD_add_response_header(r, MHD_HTTP_HEADER_SET_COOKIE, text);
	}
}

static enum MHD_Result send_page(struct exchange *x, const struct panel_page *page)
{
	struct xfed_span body = page->location[0] ? (struct xfed_span){ "", 0 } : xfed_buf_span(page->out);
	struct MHD_Response *r = MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
	unsigned status = page->location[0] ? MHD_HTTP_SEE_OTHER : (unsigned)page->status;
	if (r) {
		if (page->location[0]) {
			MHD_add_response_header(r, MHD_HTTP_HEADER_LOCATION, page->location);
		} else {
			MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
		}
		MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
		MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, "Cookie, Accept-Language");
		if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
			MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST");
		}
		add_cookie(x, x->call, r);
	}
	return send_response(x, status, r);
}

static int64_t wall_s(void)
{
	return (int64_t)time(NULL);
}

static int render_call(const struct panel_view *v, const struct panel_call *c, struct panel_page *page)
{
	switch (c->answer) {
	case CALL_ANSWER_PAGE:
		return c->kind == CALL_SESSIONS ? page_sessions(v, c->sessions, page) : c->route->render(v, page);
	case CALL_ANSWER_LOGIN:
		page->status = c->status;
		return page_login(v, c->word, page);
	case CALL_ANSWER_GO:
		snprintf(page->location, sizeof(page->location), "%s", c->location);
		return XFED_OK;
	case CALL_ANSWER_ERROR:
		break;
	}
	return page_error(v, c->status, c->word, page);
}

/* `c` NULL: an error of the request itself, whoever asks. */
static enum MHD_Result send_view(struct exchange *x, const struct panel_call *c, int status, enum panel_word word)
{
	const struct panel_request none = { .path = XFED_SPAN("/"), .language = x->language };
	struct panel_viewer viewer = { c ? c->name : "", c ? c->role : PANEL_NOBODY, c ? c->csrf : "" };
	struct panel_view v = { .request = c ? &c->request : &none,
		.viewer = &viewer,
		.gateway = x->web->gateway,
		.now_s = wall_s(),
		.results = c ? c->results : NULL,
		.result_count = c ? c->ask_count : 0 };
	struct xfed_buf out;
	struct panel_page page = { .status = MHD_HTTP_OK, .type = HTML, .out = &out };
	xfed_buf_init(&out, XFED_PANEL_PAGE_BYTES);
	int rc = c ? render_call(&v, c, &page) : page_error(&v, status, word, &page);
	if (rc != XFED_OK) {
		xfed_buf_clear(&out);
		page = (struct panel_page){ .status = MHD_HTTP_OK, .type = HTML, .out = &out };
		rc = page_error(&v, MHD_HTTP_INTERNAL_SERVER_ERROR, rc == XFED_ERR_LIMIT ? W_ERROR_LARGE : W_ERROR_INSIDE, &page);
	}
	enum MHD_Result sent = rc == XFED_OK ? send_page(x, &page) : MHD_NO;
	xfed_buf_deinit(&out);
	return sent;
}

static enum MHD_Result send_error(struct exchange *x, int status, enum panel_word word)
{
	enum web_why why = word == W_ERROR_HOST ? WEB_HOST : word == W_ERROR_BUSY ? WEB_BUSY : WEB_REQUEST;
	if (word != W_ERROR_NOT_FOUND) {
		web_refuse(x->web, why, &x->connection->from);
	}
	return send_view(x, NULL, status, word);
}

/* ---- a request, complete ---- */

static enum call_kind own_kind(const struct panel_request *r, bool *is_own)
{
	static const struct {
		enum panel_method method;
		const char *path;
		enum call_kind kind;
	} own[] = {
		{ PANEL_GET, "/login", CALL_LOGIN },
		{ PANEL_POST, "/login", CALL_LOGIN_TRY },
		{ PANEL_POST, "/logout", CALL_LOGOUT },
		{ PANEL_GET, "/sessions", CALL_SESSIONS },
		{ PANEL_POST, "/sessions/end", CALL_SESSION_END },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(own); i++) {
		if (own[i].method == r->method && xfed_span_is(r->path, own[i].path)) {
			*is_own = true;
			return own[i].kind;
		}
	}
	*is_own = false;
	return CALL_PAGE;
}

/* OK, INVALID, LIMIT, NOMEM. */
static int read_request(const struct exchange *x, enum panel_method method, struct panel_call *c)
{
	struct xfed_span uri = xfed_span_str(x->uri), body = xfed_buf_span(&x->body);
	c->memory_bytes = 2 * uri.len + body.len + 3;
	c->memory = xfed_malloc(c->memory_bytes);
	if (!c->memory) {
		return XFED_ERR_NOMEM;
	}
	memcpy(c->memory, uri.data, uri.len);
	struct xfed_span query = c->uri = xfed_span_make(c->memory, uri.len);
	char *decoded = c->memory + uri.len;
	struct panel_request *r = &c->request;
	*r = (struct panel_request){ .method = method, .path = xfed_span_cut(&query, '?'), .fields = c->fields, .language = x->language };
	int rc = panel_route_split(r, decoded);
	rc = rc == XFED_OK ? request_fields(query, decoded + r->path.len, c->fields, &r->field_count) : rc;
	return rc == XFED_OK && method == PANEL_POST ? request_fields(body, decoded + uri.len, c->fields, &r->field_count) : rc;
}

static int make_call(struct exchange *x, enum panel_method method, enum panel_word *word)
{
	bool is_own;
	struct panel_call *c = x->call = xfed_calloc(1, sizeof(*c));
	*word = W_ERROR_INSIDE;
	int rc = c ? read_request(x, method, c) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		*word = rc == XFED_ERR_NOMEM ? W_ERROR_INSIDE : rc == XFED_ERR_LIMIT ? W_ERROR_LARGE : W_ERROR_REQUEST;
		return rc;
	}
	c->kind = own_kind(&c->request, &is_own);
	c->route = is_own ? NULL : panel_route_find(&c->request);
	if (!is_own && !c->route) {
		*word = W_ERROR_NOT_FOUND;
		return XFED_ERR_NOT_FOUND;
	}
	c->from = x->connection->from;
	request_cookie(header(x, MHD_HTTP_HEADER_COOKIE), cookie_name(x->web), c->token);
	snprintf(c->certificate, sizeof(c->certificate), "%s", x->connection->certificate);
	c->is_foreign = x->connection->is_foreign;
	x->connection->is_foreign = false;
	rc = c->route ? c->route->asks(&c->request, c->asks, &c->ask_count) : XFED_OK;
	XFED_REQUIRE(c->ask_count <= PANEL_ASKS_MAX);
	return rc;
}

static enum MHD_Result ask(struct exchange *x, enum panel_method method)
{
	enum panel_word word;
	int rc = make_call(x, method, &word);
	if (rc == XFED_OK && web_ask(x)) {
		return MHD_YES;
	}
	panel_call_free(x->call);
	x->call = NULL;
	return rc == XFED_OK		  ? send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, W_ERROR_BUSY)
	       : rc == XFED_ERR_NOT_FOUND ? send_error(x, MHD_HTTP_NOT_FOUND, word)
	       : word == W_ERROR_INSIDE	  ? send_error(x, MHD_HTTP_INTERNAL_SERVER_ERROR, word)
	       : word == W_ERROR_LARGE	  ? send_error(x, MHD_HTTP_CONTENT_TOO_LARGE, word)
					  : send_error(x, MHD_HTTP_BAD_REQUEST, word);
}

/* ---- its steps ---- */

static enum MHD_Result count_host(void *user, enum MHD_ValueKind kind, const char *key, const char *value)
{
	*(size_t *)user += xfed_span_eq_nocase(xfed_span_str(key), XFED_SPAN("host"));
	return MHD_YES;
}

static bool is_post(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_POST) == 0;
}

/* What can be told from the head: 0, or the status and what to say. */
static int judge_head(const struct exchange *x, const char *method, enum panel_word *word)
{
	struct xfed_span host = header(x, MHD_HTTP_HEADER_HOST), type = header(x, MHD_HTTP_HEADER_CONTENT_TYPE);
	struct xfed_span length = header(x, MHD_HTTP_HEADER_CONTENT_LENGTH), site = header(x, "Sec-Fetch-Site");
	size_t hosts = 0;
	MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, count_host, &hosts);
	*word = W_ERROR_HOST;
	if (hosts != 1 || !request_host_is_ours(host, &x->web->hosts)) {
		return MHD_HTTP_MISDIRECTED_REQUEST;
	}
	*word = W_ERROR_METHOD;
	if (!is_post(method)) {
		return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ? 0 : MHD_HTTP_METHOD_NOT_ALLOWED;
	}
	*word = W_ERROR_TOKEN;
	bool is_elsewhere = site.data && !xfed_span_is(site, "same-origin") && !xfed_span_is(site, "none");
	if (is_elsewhere || !request_origin_is_ours(header(x, MHD_HTTP_HEADER_ORIGIN), host)) {
		return MHD_HTTP_FORBIDDEN;
	}
	*word = W_ERROR_REQUEST;
	struct xfed_span essence = xfed_span_cut(&type, ';');
	if (!xfed_span_eq_nocase(xfed_span_trim(essence), XFED_SPAN(FORM_TYPE))) {
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	}
	*word = W_ERROR_LARGE;
	return length.len > 9 || (length.data && strtoul(length.data, NULL, 10) > XFED_PANEL_FORM_BYTES) ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
}

static enum MHD_Result begin(struct exchange *x, const char *method)
{
	enum panel_word word;
	x->language = request_language(header(x, MHD_HTTP_HEADER_ACCEPT_LANGUAGE));
	if (!x->uri) {
		return send_error(x, MHD_HTTP_URI_TOO_LONG, W_ERROR_LARGE);
	}
	int status = judge_head(x, method, &word);
	if (status != 0) {
		return send_error(x, status, word);
	}
	judge_certificate(x->web, x->connection, x->mhd);
	x->state = EXCHANGE_BODY;
	return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
	int rc = xfed_buf_append(&x->body, xfed_span_make(data, *size));
	*size = 0;
	return rc == XFED_OK ? MHD_YES : MHD_NO; /* one without a length went on beyond what is taken */
}

static enum MHD_Result finish(struct exchange *x, const char *method)
{
	const struct panel_asset *asset = is_post(method) ? NULL : panel_asset_find(xfed_span_str(x->uri));
	return asset ? send_asset(x, asset) : ask(x, is_post(method) ? PANEL_POST : PANEL_GET);
}

void *exchange_begin(void *user, const char *uri, struct MHD_Connection *mhd)
{
	struct exchange *x = xfed_calloc(1, sizeof(*x));
	if (x) {
		x->web = user;
		x->mhd = mhd;
		x->connection = web_connection(mhd);
		x->uri = strlen(uri) < PANEL_LOCATION_MAX ? xfed_strdup(uri) : NULL;
		xfed_buf_init(&x->body, XFED_PANEL_FORM_BYTES);
	}
	return x;
}

enum MHD_Result exchange_step(void *user, struct MHD_Connection *mhd, const char *url, const char *method, const char *version, const char *upload,
	size_t *upload_size, void **state)
{
	struct exchange *x = *state;
	if (!x || !x->connection) {
		return MHD_NO; /* there was no memory for it */
	}
	switch (x->state) {
	case EXCHANGE_NEW:
		return begin(x, method);
	case EXCHANGE_BODY:
		return *upload_size > 0 ? take_body(x, upload, upload_size) : finish(x, method);
	case EXCHANGE_ANSWERED:
		return send_view(x, x->call, 0, W_NONE);
	case EXCHANGE_WAITING:
	case EXCHANGE_DONE:
		break;
	}
	return MHD_NO;
}

void exchange_end(void *user, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;
	if (!x) {
		return;
	}
	if (x->connection) {
		web_deadline(x->connection, x->web, XFED_PANEL_REQUEST_MS);
	}
	panel_call_free(x->call);
	xfed_free(x->uri);
	xfed_buf_wipe(&x->body);
	xfed_free(x);
	*state = NULL;
}
