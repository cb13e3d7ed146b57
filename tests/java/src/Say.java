/** The output protocol: one fact per line on stdout, flushed at once, so that a test can wait for it. */
final class Say {
    private Say() {}

    static synchronized void line(String line) {
        System.out.println(line.replace('\n', ' ').replace('\r', ' '));
        System.out.flush();
    }

    /** What went wrong, on one line, with its cause: messages are for people, but tests look for words in them. */
    static String reason(Throwable problem) {
        StringBuilder text = new StringBuilder(problem.getClass().getSimpleName());
        if (problem.getMessage() != null) {
            text.append(": ").append(problem.getMessage());
        }
        Throwable cause = problem.getCause();
        if (cause != null && cause != problem && cause.getMessage() != null
                && !cause.getMessage().equals(problem.getMessage())) {
            text.append(" <- ").append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage());
        }
        return text.toString().replace('\n', ' ').replace('\r', ' ');
    }
}
