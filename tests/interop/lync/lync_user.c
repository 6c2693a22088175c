/*
 * A user of the Lync dialect without a screen: one account of libpurple with the protocol plugin of pidgin-sipe, whose wire format is what a
 * test wants to have. What the user does comes as one JSON object a line on standard input, what the client shows goes out as one a line on
 * standard output. The end of the input is the end of the program.
 *
 *   lync_user USER@DOMAIN SERVER:PORT DIRECTORY [debug]     DIRECTORY: for the files of the client; debug: its own log, on standard error
 *
 *   {"do": "say", "to": URI, "text": TEXT}                  {"do": "type", "to": URI, "state": "composing" | "paused" | "gone"}
 *   {"do": "close", "to": URI}                              {"do": "watch", "of": URI}      {"do": "unwatch", "of": URI}
 *   {"do": "be", "status": ID, "note": TEXT}                {"do": "quit"}
 */
#include <dlfcn.h>
#include <glib-unix.h>
#include <jansson.h>
#include <libxml/parser.h>
#include <locale.h>
#include <purple.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN "prpl-sipe"
#define UI     "xfed-test"
#define GROUP  "Contacts"

static GMainLoop *loop;
static PurpleAccount *account;
static bool is_debugged;

/*
 * libxml2 2.9.14 of Debian 12 calls the startElement of no handler that is marked as SAX2 and has no functions for namespaces, and the plugin
 * has exactly such a handler: it would understand no presence, no typing and no contact list. This definition stands before that of the
 * library, and hands such a handler on as one of SAX1. Nothing changes on the wire.
 */
__attribute__((visibility("default"))) int xmlSAXUserParseMemory(xmlSAXHandlerPtr sax, void *user, const char *text, int size)
{
	int (*of_library)(xmlSAXHandlerPtr, void *, const char *, int);
	xmlSAXHandler as_sax1;
	*(void **)&of_library = dlsym(RTLD_NEXT, "xmlSAXUserParseMemory");
	if (sax && sax->initialized == XML_SAX2_MAGIC && !sax->startElementNs && !sax->endElementNs) {
		as_sax1 = *sax;
		as_sax1.initialized = 1;
		sax = &as_sax1;
	}
	return of_library(sax, user, text, size);
}

/* Takes the object. */
static void tell(json_t *event)
{
	char *line = event ? json_dumps(event, JSON_COMPACT) : NULL;
	puts(line ? line : "{\"event\":\"unprintable\"}"); /* text that is not UTF-8 */
	fflush(stdout);
	free(line);
	json_decref(event);
}

/* ---- the main loop, as libpurple wants it ---- */

struct input {
	PurpleInputFunction function;
	gpointer user;
};

static gboolean on_input(gint fd, GIOCondition what, gpointer data)
{
	const struct input *in = data;
	PurpleInputCondition seen = 0;
	seen |= what & (G_IO_IN | G_IO_HUP | G_IO_ERR) ? PURPLE_INPUT_READ : 0;
	seen |= what & (G_IO_OUT | G_IO_ERR) ? PURPLE_INPUT_WRITE : 0;
	in->function(in->user, fd, seen);
	return G_SOURCE_CONTINUE;
}

static guint input_add(int fd, PurpleInputCondition wanted, PurpleInputFunction function, gpointer user)
{
	struct input *in = g_new(struct input, 1);
	GIOCondition what = G_IO_HUP | G_IO_ERR;
	what |= wanted & PURPLE_INPUT_READ ? G_IO_IN : 0;
	what |= wanted & PURPLE_INPUT_WRITE ? G_IO_OUT : 0;
	*in = (struct input){ .function = function, .user = user };
	return g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, what, on_input, in, g_free);
}

static PurpleEventLoopUiOps loop_ops = {
	.timeout_add = g_timeout_add,
	.timeout_add_seconds = g_timeout_add_seconds,
	.timeout_remove = g_source_remove,
	.input_add = input_add,
	.input_remove = g_source_remove,
};

/* ---- what the client shows ---- */

static void *show_message(PurpleNotifyMsgType kind, const char *title, const char *first, const char *second)
{
	tell(json_pack("{s:s, s:s*, s:s*, s:s*}", "event", "dialog", "title", title, "text", first, "more", second));
	return NULL;
}

static PurpleNotifyUiOps notify_ops = { .notify_message = show_message };

/* Takes the first answer that is offered, which is the friendly one. */
static void *show_question(const char *title, const char *first, const char *second, int preset, PurpleAccount *of, const char *who,
	PurpleConversation *with, void *user, size_t count, va_list answers)
{
	const char *answer = count > 0 ? va_arg(answers, const char *) : NULL;
	PurpleRequestActionCb act = count > 0 ? va_arg(answers, PurpleRequestActionCb) : NULL;
	tell(json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "event", "question", "title", title, "text", first, "more", second, "answer", answer));
	if (act) {
		act(user, 0);
	}
	return NULL;
}

static PurpleRequestUiOps request_ops = { .request_action = show_question };

static void show_added(PurpleAccount *of, const char *who, const char *id, const char *alias, const char *text)
{
	tell(json_pack("{s:s, s:s*}", "event", "added", "by", who));
}

static void *ask_permission(PurpleAccount *of, const char *who, const char *id, const char *alias, const char *text, gboolean is_contact,
	PurpleAccountRequestAuthorizationCb yes, PurpleAccountRequestAuthorizationCb no, void *user)
{
	tell(json_pack("{s:s, s:s*}", "event", "permission", "for", who));
	yes(user);
	return NULL;
}

static PurpleAccountUiOps account_ops = { .notify_added = show_added, .request_add = show_added, .request_authorize = ask_permission };

/* Lines in the window of a conversation that nobody has said: errors and remarks. */
static void show_line(PurpleConversation *with, const char *name, const char *alias, const char *text, PurpleMessageFlags flags, time_t at)
{
	if ((flags & (PURPLE_MESSAGE_SEND | PURPLE_MESSAGE_RECV)) == 0) {
		tell(json_pack("{s:s, s:s*, s:s*}", "event", flags & PURPLE_MESSAGE_ERROR ? "error" : "remark", "with",
			purple_conversation_get_name(with), "html", text));
	}
}

static PurpleConversationUiOps conversation_ops = { .write_conv = show_line };

static void on_signed_on(PurpleConnection *c, gpointer none)
{
	tell(json_pack("{s:s}", "event", "online"));
}

static void on_signed_off(PurpleConnection *c, gpointer none)
{
	tell(json_pack("{s:s}", "event", "offline"));
}

static void on_connection_error(PurpleConnection *c, PurpleConnectionError why, const char *text, gpointer none)
{
	tell(json_pack("{s:s, s:s*}", "event", "disconnected", "text", text));
}

static void on_message(PurpleAccount *of, const char *from, const char *html, PurpleConversation *in, PurpleMessageFlags flags, gpointer none)
{
	tell(json_pack("{s:s, s:s, s:s}", "event", "said", "from", from, "html", html));
}

static void tell_typing(const char *from, const char *state)
{
	tell(json_pack("{s:s, s:s, s:s}", "event", "typing", "from", from, "state", state));
}

static void on_typing(PurpleAccount *of, const char *from, gpointer none)
{
	tell_typing(from, "composing");
}

static void on_typed(PurpleAccount *of, const char *from, gpointer none)
{
	tell_typing(from, "paused");
}

static void on_typing_stopped(PurpleAccount *of, const char *from, gpointer none)
{
	tell_typing(from, "gone");
}

/* What the list of contacts has beside a name: the icon's status, and the text under it. */
static void tell_contact(PurpleBuddy *b)
{
	const PurplePluginProtocolInfo *protocol = PURPLE_PLUGIN_PROTOCOL_INFO(purple_find_prpl(PLUGIN));
	PurplePresence *presence = purple_buddy_get_presence(b);
	char *line = purple_account_is_connected(account) ? protocol->status_text(b) : NULL;
	tell(json_pack("{s:s, s:s, s:b, s:s, s:s*}", "event", "contact", "of", purple_buddy_get_name(b), "online",
		purple_presence_is_online(presence), "status", purple_status_get_id(purple_presence_get_active_status(presence)), "html", line));
	g_free(line);
}

static void on_contact(PurpleBuddy *b, gpointer none)
{
	tell_contact(b);
}

static void on_contact_status(PurpleBuddy *b, PurpleStatus *before, PurpleStatus *now, gpointer none)
{
	tell_contact(b);
}

static void listen_to(void *instance, const char *signal, PurpleCallback function)
{
	static int handle;
	purple_signal_connect(instance, signal, &handle, function, NULL);
}

static void listen(void)
{
	void *connections = purple_connections_get_handle(), *conversations = purple_conversations_get_handle(),
	     *contacts = purple_blist_get_handle();
	listen_to(connections, "signed-on", PURPLE_CALLBACK(on_signed_on));
	listen_to(connections, "signed-off", PURPLE_CALLBACK(on_signed_off));
	listen_to(connections, "connection-error", PURPLE_CALLBACK(on_connection_error));
	listen_to(conversations, "received-im-msg", PURPLE_CALLBACK(on_message));
	listen_to(conversations, "buddy-typing", PURPLE_CALLBACK(on_typing));
	listen_to(conversations, "buddy-typed", PURPLE_CALLBACK(on_typed));
	listen_to(conversations, "buddy-typing-stopped", PURPLE_CALLBACK(on_typing_stopped));
	listen_to(contacts, "buddy-signed-on", PURPLE_CALLBACK(on_contact));
	listen_to(contacts, "buddy-signed-off", PURPLE_CALLBACK(on_contact));
	listen_to(contacts, "buddy-status-changed", PURPLE_CALLBACK(on_contact_status));
}

/* ---- what the user does ---- */

static PurpleConversation *find_window(const char *with)
{
	return purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, with, account);
}

static void say(const char *to, const char *text)
{
	PurpleConversation *window = find_window(to);
	char *markup = g_markup_escape_text(text, -1), *html = purple_strreplace(markup, "\n", "<br>");
	window = window ? window : purple_conversation_new(PURPLE_CONV_TYPE_IM, account, to);
	purple_conv_im_send(PURPLE_CONV_IM(window), html);
	g_free(html);
	g_free(markup);
}

static void type(const char *to, const char *state)
{
	PurpleTypingState now = !strcmp(state, "composing") ? PURPLE_TYPING : !strcmp(state, "paused") ? PURPLE_TYPED : PURPLE_NOT_TYPING;
	serv_send_typing(purple_account_get_connection(account), to, now);
}

static void close_window(const char *with)
{
	PurpleConversation *window = find_window(with);
	if (window) {
		purple_conversation_destroy(window);
	}
}

static void watch(const char *of)
{
	PurpleGroup *group = purple_find_group(GROUP);
	PurpleBuddy *b = purple_buddy_new(account, of, NULL);
	if (!group) {
		group = purple_group_new(GROUP);
		purple_blist_add_group(group, NULL);
	}
	purple_blist_add_buddy(b, NULL, group, NULL);
	purple_account_add_buddy(account, b);
}

static void unwatch(const char *of)
{
	PurpleBuddy *b = purple_find_buddy(account, of);
	if (b) {
		purple_account_remove_buddy(account, b, purple_buddy_get_group(b));
		purple_blist_remove_buddy(b);
	}
}

static void quit(void)
{
	if (!purple_account_is_disconnected(account)) {
		purple_account_disconnect(account);
	}
	g_main_loop_quit(loop);
}

static void act(json_t *o)
{
	const char *what = "", *to = "", *of = "", *text = "", *state = "", *status = "", *note = "";
	json_unpack(o, "{s?s, s?s, s?s, s?s, s?s, s?s, s?s}", "do", &what, "to", &to, "of", &of, "text", &text, "state", &state, "status", &status,
		"note", &note);
	if (!strcmp(what, "quit")) {
		quit();
	} else if (!purple_account_is_connected(account)) {
		tell(json_pack("{s:s, s:s}", "event", "mistake", "text", "not connected"));
	} else if (!strcmp(what, "say")) {
		say(to, text);
	} else if (!strcmp(what, "type")) {
		type(to, state);
	} else if (!strcmp(what, "close")) {
		close_window(to);
	} else if (!strcmp(what, "watch")) {
		watch(of);
	} else if (!strcmp(what, "unwatch")) {
		unwatch(of);
	} else if (!strcmp(what, "be") && purple_account_get_status_type(account, status)) {
		purple_account_set_status(account, status, TRUE, "message", note, NULL);
	} else {
		tell(json_pack("{s:s, s:s*}", "event", "mistake", "text", what));
	}
}

static gboolean on_line(GIOChannel *in, GIOCondition what, gpointer none)
{
	gchar *line = NULL;
	GIOStatus status = g_io_channel_read_line(in, &line, NULL, NULL, NULL);
	json_t *o = line ? json_loads(line, 0, NULL) : NULL;
	if (o) {
		act(o);
	} else if (line) {
		tell(json_pack("{s:s, s:s}", "event", "mistake", "text", "not JSON"));
	} else if (status != G_IO_STATUS_AGAIN) {
		quit();
	}
	json_decref(o);
	g_free(line);
	return line || status == G_IO_STATUS_AGAIN;
}

/* ---- the program ---- */

/* Standard output belongs to the events. */
static void print_log(const gchar *text)
{
	if (is_debugged) {
		fputs(text, stderr);
	}
}

static bool start_purple(const char *directory)
{
	purple_util_set_user_dir(directory);
	g_set_print_handler(print_log);
	purple_debug_set_enabled(is_debugged);
	purple_debug_set_verbose(is_debugged);
	purple_debug_set_unsafe(is_debugged);
	purple_eventloop_set_ui_ops(&loop_ops);
	if (!purple_core_init(UI)) {
		return false;
	}
	purple_notify_set_ui_ops(&notify_ops);
	purple_request_set_ui_ops(&request_ops);
	purple_accounts_set_ui_ops(&account_ops);
	purple_conversations_set_ui_ops(&conversation_ops);
	purple_set_blist(purple_blist_new());
	purple_prefs_load();
	purple_prefs_set_string("/purple/proxy/type", "none");
	purple_prefs_set_string("/purple/away/idle_reporting", "none"); /* nobody touches a keyboard here */
	purple_prefs_set_bool("/purple/away/away_when_idle", FALSE);
	purple_prefs_set_bool("/purple/conversations/im/send_typing", TRUE);
	return purple_find_prpl(PLUGIN) != NULL;
}

static void log_in(const char *user, const char *server)
{
	char *name = g_strconcat(user, ",", NULL); /* what follows the comma is a login name, which is not needed */
	account = purple_account_new(name, PLUGIN);
	purple_account_set_password(account, "none");
	purple_account_set_string(account, "server", server);
	purple_account_set_string(account, "transport", "tcp");
	purple_account_set_bool(account, "dont-publish", TRUE); /* of a calendar, from another server */
	purple_accounts_add(account);
	purple_account_set_enabled(account, UI, TRUE);
	purple_savedstatus_activate(purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
	g_free(name);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: lync_user USER@DOMAIN SERVER:PORT DIRECTORY [debug]\n");
		return 2;
	}
	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_IGN);
	is_debugged = argc > 4;
	if (!start_purple(argv[3])) {
		fprintf(stderr, "libpurple does not start, or has no " PLUGIN " (packages libpurple0 and pidgin-sipe)\n");
		return 1;
	}
	listen();
	GIOChannel *in = g_io_channel_unix_new(STDIN_FILENO);
	g_io_add_watch(in, G_IO_IN | G_IO_HUP | G_IO_ERR, on_line, NULL);
	log_in(argv[1], argv[2]);
	loop = g_main_loop_new(NULL, FALSE);
	g_main_loop_run(loop);
	purple_core_quit();
	return 0;
}
