/** One named expectation about a broker: it returns when it holds and throws when it does not. */
@FunctionalInterface
interface Check {
    void run(Bench bench) throws Exception;

    /** An expectation that did not hold; the text says what was found and what was expected. */
    final class Failed extends Exception {
        Failed(String why) {
            super(why);
        }
    }
}
