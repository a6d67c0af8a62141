fn main() {
    println!("yosegi");
}
