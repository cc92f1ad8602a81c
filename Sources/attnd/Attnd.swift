@main struct Attnd { static func main() {} }
